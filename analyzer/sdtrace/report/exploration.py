"""What the page holds of one trace beside its report: the script's data, and tables without a script."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from sdtrace import model
from sdtrace.analysis.options import Options
from sdtrace.analysis.part import WHOLE, Part
from sdtrace.explore import Explored
from sdtrace.explore.limited import limited
from sdtrace.phases.timeline import STEADY
from sdtrace.report.payload import Names, events_of, payload
from sdtrace.report.picture_data import picture_data
from sdtrace.tables import HTML, TABLES, Column, Table

DRIVEN: Final = ("categories", "components", "idle", "ops_by_shape", "kernels", "ops")
"""The tables that a selector can drive, in the order of the page."""
_OF_OTHERS: Final = ("categories", "components", "idle", "kernels", "ops")
_MOST_OF_OTHERS: Final = 8


@dataclass(frozen=True)
class Exploration:
    """`packed` is the script's data: JSON, deflated, in base64. `start` is the part that the page starts at.

    `first` has that part's tables; `others` the phases that it leaves out, by name.
    """

    packed: str
    events: str
    start: Part
    first: model.TraceReport
    others: dict[str, model.TraceReport]
    driven: tuple[str, ...]
    """The tables that the selector drives: all of `DRIVEN`, but ops where their times are torch's."""


def explored_page(found: Explored, trace: model.TraceReport, options: Options) -> Exploration:
    """Everything that the page holds of a trace, of its sums by cell and its report."""
    start = _start(trace, options)
    names = Names()
    run, events = payload(found, names), events_of(found, names)
    data = {
        "run": run,
        "noun": trace.noun,
        "componentNames": found.study.study.structure.components.names,
        "hasDevice": trace.has_device,
        "start": {"phase": start.phase, "component": start.component},
        "iterationLabels": _labels(found, trace),
        "stepLabels": found.picks.step_words,
        "tables": {table.id: described(table) for table in TABLES if table.id in DRIVEN},
        "names": names.texts,
        **picture_data(trace),
    }
    first = trace if start == options.part else limited(trace, found, start)
    phases = [row.phase for row in trace.phases if row.phase != start.phase] if start == Part(STEADY) else []
    others = {phase: limited(trace, found, Part(phase), _MOST_OF_OTHERS) for phase in phases}
    driven = DRIVEN if found.ops is not None else DRIVEN[: DRIVEN.index("ops")]
    return Exploration(_packed(data), events, start, first, others, driven)


def of_others(table: Table) -> bool:
    """Whether the folded phases show a table."""
    return table.id in _OF_OTHERS


def described(table: Table) -> dict[str, Any]:
    """A table for the script: its columns in HTML, its bar, what it is sorted by."""
    bar = table.bar
    return {
        "id": table.id,
        "help": table.help,
        "isLong": table.is_long,
        "sorted": table.sorted_by,
        "bar": bar and {"field": bar.field, "style": bar.style, "fallback": bar.fallback},
        "columns": [_described(column) for column in table.columns if HTML in column.media],
    }


def _described(column: Column) -> dict[str, Any]:
    return {
        "field": column.field,
        "header": column.header,
        "kind": column.kind.value,
        "help": column.help,
        "optional": column.optional,
        "full": column.full,
        "labels": column.labels,
    }


def _start(trace: model.TraceReport, options: Options) -> Part:
    if options.part != WHOLE:
        return options.part
    return Part(STEADY) if any(row.phase == STEADY for row in trace.phases) else WHOLE


def _labels(found: Explored, trace: model.TraceReport) -> dict[int, str]:
    """What an iteration is, where it is anything but one of many steady ones."""
    words = found.picks.iteration_words
    return {
        row.index: ", ".join(filter(None, (words.get(row.index), row.phase if row.phase != STEADY else "")))
        for row in trace.iterations
        if row.index in words or row.phase != STEADY
    }


def _packed(data: dict[str, Any]) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(data), 4)).decode("ascii")
