"""Evidence about calls that wait for the device: which op asks for them, how often, and from where."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.findings import Wait
from sdtrace.intervals import Int64s, contains
from sdtrace.phases.timeline import STEADY
from sdtrace.waiting.activity import asking_ops
from sdtrace.waiting.copies import blocked_calls
from sdtrace.waiting.waits import blocking_calls

_MOST: Final = 3
_SHARE: Final = 0.05
"""Of the idle time around blocking calls: an op that is to blame for less is not named."""
_SAMPLE: Final = 200
"""So many calls show well enough where most of them are."""
_FRAME: Final = re.compile(r"\.py\(\d+\): ")
_OF_TORCH: Final = re.compile(r"(?:^|[\\/])torch[\\/]|<frozen ")


def waits(study: Study) -> list[Wait]:
    """The ops that are to blame for most idle time around blocking calls in steady state, longest first."""
    blamed = study.steady_idle.blamed_for("sync")
    whole = sum(ns for _, ns in blamed)
    named = [(name, ns) for name, ns in blamed[:_MOST] if ns >= _SHARE * whole]
    if not named:
        return []
    host, linked = study.linked.host, study.linked
    events = np.setdiff1d(blocking_calls(linked), blocked_calls(linked))
    events = events[contains(study.phases.timeline.of(STEADY), host.start_ns[events])]
    asking = asking_ops(linked, events)
    number = study.trace.names.index
    return [_wait(study, name, ns, asking[host.name[asking] == number(name)]) for name, ns in named]


def _wait(study: Study, name: str, ns: int, asking: Int64s) -> Wait:
    """What is known of the calls of one op (host events)."""
    host, components = study.linked.host, study.structure.components
    some = asking[:: 1 + len(asking) // _SAMPLE]
    frames = Counter(_frame(study, event) for event in some.tolist())
    code = Counter(components.at(host.start_ns[some], host.thread[some]).tolist())
    (place, _), *_ = code.most_common(1) or [(-1, 0)]
    (frame, _), *_ = frames.most_common(1) or [("", 0)]
    return Wait(name, ns, len(np.unique(asking)), components.names[place] if place >= 0 else "", frame)


def _frame(study: Study, event: int) -> str:
    """The innermost Python function around a host event that is not torch's own; '' without stacks."""
    return next(
        (name for name in _around(study, event) if _FRAME.search(name) and not _OF_TORCH.search(name)), ""
    )


def _around(study: Study, event: int) -> Iterator[str]:
    host, names = study.linked.host, study.trace.names
    while event >= 0:
        yield names[host.name[event]]
        event = int(host.tree_parent[event])
