"""What is told of an event beside its name: of ops their inputs, of device work what it is and who asked."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.study import Study
from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.intervals import Int64s
from sdtrace.phases.timeline import PHASES

Facts = list[tuple[str, str]]
_LONGEST: Final = 400
"""Characters of a fact: lists of many tensors run to thousands."""
_INPUTS: Final = ("Input Dims", "Input type", "Concrete Inputs")


def event_facts(study: Study) -> tuple[list[Facts], Int64s]:
    """Distinct sets of facts, and for each event of the trace which of them it has; the first has none.

    Of an op: shapes, types and values of its inputs, where they were recorded. Of kernels, copies and fills:
    the op that launched it, category, component, phase, and bytes.
    """
    trace = study.trace
    found: list[Facts] = [[], *(_inputs(text) for text in trace.args_texts)]
    fact: Int64s = np.where(trace.args >= 0, trace.args + 1, 0).astype(np.int64)
    work = study.linked.work
    component = study.structure.components.of_work(study.structure.launches)
    op = np.where(work.op >= 0, np.append(study.linked.host.name, -1)[work.op], -1)
    nbytes = trace.nbytes[work.row]
    sets, which = distinct(op, study.categorized.code, component, study.phases.work_code, nbytes)
    fact[work.row] = len(found) + which
    names = [*study.structure.components.names, OUTSIDE]
    for op_name, category, part, phase, size in sets.tolist():
        told = [("op", trace.names[op_name])] if op_name >= 0 else []
        told += [("category", study.categorized.categories[category]), ("component", names[part])]
        told += [("phase", PHASES[phase])]
        found.append(told + ([("bytes", str(size))] if size >= 0 else []))
    return found, fact


def _inputs(text: str) -> Facts:
    try:
        args: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return []
    if not isinstance(args, dict):
        return []
    return [(key, _short(args[key])) for key in _INPUTS if args.get(key)]


def _short(value: object) -> str:
    told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


def distinct(*columns: NDArray[np.integer[Any]]) -> tuple[Int64s, Int64s]:
    """The distinct rows of columns of one length (int64, one row each), and for each row which it is."""
    code: Int64s = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, place = np.unique(column, return_inverse=True)
        _, code = np.unique(code * (int(place.max(initial=0)) + 1) + place, return_inverse=True)
    _, first = np.unique(code, return_index=True)
    return np.stack([column[first].astype(np.int64) for column in columns], axis=1), code
