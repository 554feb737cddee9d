"""When the device had done what the host asked for: the host waited long for it, or for what it made."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s
from sdtrace.reader.categories import LAUNCHES, TO_HOST

_WAIT: Final = re.compile(r"(?:Stream|Device|Event|Ctx|Host)Synchronize$")
_LONG_NS: Final = 1_000_000
"""So long nobody waits for the copy of a prompt or a time step."""


def handed_over(linked: LinkedTrace) -> Int64s:
    """When long calls end that wait for the device, or that copy from it; sorted nanoseconds.

    A copy to memory that is not pinned keeps its call until all work before it is done.
    """
    trace, work = linked.trace, linked.work
    to_host = trace.names_matching(TO_HOST)[trace.name[work.row]]
    copies = work.launch[to_host & (work.launch >= 0)]
    calls = np.append(linked.host.row[named_like(linked, _WAIT, set(LAUNCHES))], copies)
    calls = calls[trace.dur_ns[calls] >= _LONG_NS]
    return np.sort(trace.end_ns[calls])
