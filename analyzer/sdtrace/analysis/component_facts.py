"""Evidence about components: what of their work a compiler would fuse, and prompts encoded again."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sdtrace.analysis.device_facts import in_compiled_code
from sdtrace.analysis.study import Study
from sdtrace.attribution.compilable import is_compilable
from sdtrace.attribution.host import sum_by
from sdtrace.findings import Encoded, Fusable
from sdtrace.intervals import contains
from sdtrace.phases.timeline import STEADY
from sdtrace.structure.component_names import TEXT_ENCODER
from sdtrace.whatif.changes import FUSABLE
from sdtrace.whatif.plain_work import is_training


def fusable(study: Study, passing_over: Collection[str] = ()) -> Fusable | None:
    """The component with the most fusable work that is not compiled; all work where none is known.

    `passing_over` names components that are left out.
    """
    components, categorized = study.structure.components, study.categorized
    steady = study.phases.work_mask(STEADY)
    eager = steady & ~in_compiled_code(study)
    kinds = np.array([name in FUSABLE for name in categorized.categories], np.bool_)
    mine = eager & kinds[categorized.code] & is_compilable(study.linked)
    if not mine.any() or _trains(study):
        return None
    dur_ns = study.trace.dur_ns[study.linked.work.row]
    names = components.names or [""]
    code = components.of_work(study.structure.launches) if components.names else np.zeros(len(mine), np.int64)
    sums = sum_by(code[mine], dur_ns[mine], len(names))
    sums[[name in passing_over for name in names]] = 0
    most = int(sums.argmax())
    if not sums[most]:
        return None
    chosen = code == most
    return Fusable(
        names[most],
        int(sums[most]),
        int(dur_ns[steady & chosen].sum()),
        int(np.count_nonzero(mine & chosen)),
    )


def _trains(study: Study) -> bool:
    """Whether an iteration has a backward pass: compiled, it is another program."""
    return any(
        is_training(study.linked, row.start_ns, row.start_ns + row.wall_ns) for row in study.steady[:1]
    )


def encoded(study: Study) -> Encoded | None:
    """What text encoders do in steady state; None where none is known."""
    components = study.structure.components
    if TEXT_ENCODER not in components.names:
        return None
    calls = components.only([TEXT_ENCODER])
    inside = contains(study.phases.timeline.of(STEADY), calls.start_ns)
    if not inside.any():
        return None
    code = components.of_work(study.structure.launches)
    mine = study.phases.work_mask(STEADY) & (code == components.names.index(TEXT_ENCODER))
    return Encoded(
        TEXT_ENCODER,
        int(np.count_nonzero(inside)),
        int((calls.end_ns - calls.start_ns)[inside].sum()),
        int(study.trace.dur_ns[study.linked.work.row[mine]].sum()),
    )
