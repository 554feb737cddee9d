"""Which flows, instants and counters of a trace belong to a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sdtrace.export.part import Part
from sdtrace.intervals import Bools, Int64s
from sdtrace.reader.events import decode_event, nanoseconds, thread_part
from sdtrace.trace import Trace

_NO_TIME: Final = np.iinfo(np.int64).min
_FLOWS: Final = ("s", "t", "f")
_MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


class OtherEvents:
    """Events that are no rows of a trace.

    An end of a flow (`ac2g`, `fwdbwd`) stays with the event that starts where it stands. Instants, counters
    and whatever else has a time stay when it lies in the part. Metadata always stays.
    """

    def __init__(self, trace: Trace, part: Part) -> None:
        self._part = part
        self._threads = {(thread.pid, thread.tid): number for number, thread in enumerate(trace.threads)}
        places = _mixed(trace.start_ns + trace.origin_ns, trace.thread.astype(np.int64))
        self._all, self._kept = np.unique(places), np.unique(places[part.rows[trace.file_rows]])

    def keep(self, texts: Sequence[bytes]) -> Bools:
        """Which of the events with these texts belong to the part."""
        is_flow = np.zeros(len(texts), np.bool_)
        time_ns, thread = np.full((2, len(texts)), _NO_TIME)
        for place, text in enumerate(texts):
            event = decode_event(text)
            if event is None or event.ph == "M" or (time := nanoseconds(event.ts)) is None:
                continue
            is_flow[place], time_ns[place] = event.ph in _FLOWS, time
            where = thread_part(event.pid), thread_part(event.tid)
            thread[place] = self._threads.get(where, -1)  # type: ignore[arg-type]  # a pid may be None
        known = np.flatnonzero(time_ns != _NO_TIME)
        kept = np.ones(len(texts), np.bool_)
        kept[known] = self._part.holds(time_ns[known], thread[known])
        places = _mixed(time_ns, thread)
        bound = is_flow & _among(self._all, places)
        kept[bound] = _among(self._kept, places[bound])
        return kept


def _mixed(time_ns: Int64s, thread: Int64s) -> NDArray[np.uint64]:
    """One number for an instant on a thread."""
    mixed: NDArray[np.uint64] = time_ns.view(np.uint64) * _MIX[0] + thread.view(np.uint64) * _MIX[1]
    return mixed


def _among(ordered: NDArray[np.uint64], values: NDArray[np.uint64]) -> Bools:
    if not ordered.size:
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: Bools = ordered[place] == values
    return found
