"""Slices as packets in the order of time: of each a beginning and an end, so that all nest on their track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from sdtrace.export.packets import END, Form, form
from sdtrace.export.protobuf import TIME_BYTES, wide_varints
from sdtrace.intervals import Int64s

_AT_ONCE: Final = 1 << 15
"""Packets that are joined into one piece of the file."""


class Slices(NamedTuple):
    """Slices of all tracks, arrays of one length; times in nanoseconds from 0 on.

    `track` is the number of the track; `look` indexes `forms`, the packets of their beginnings; `extra` holds
    what follows such a packet, '' for nothing.
    """

    track: Int64s
    start_ns: Int64s
    dur_ns: Int64s
    look: Int64s
    forms: Sequence[Form]
    extra: Sequence[bytes]


def depths(track: Int64s, start_ns: Int64s, dur_ns: Int64s) -> Int64s:
    """How deep each slice lies within others of its track; all of them nest."""
    order = np.lexsort((-dur_ns, start_ns, track))
    depth = np.zeros(len(order), np.int64)
    ends: list[int] = []
    on = None
    columns = (column[order].tolist() for column in (track, start_ns, dur_ns))
    found = []
    for number, start, dur in zip(*columns, strict=True):
        if number != on:
            ends, on = [], number
        while ends and ends[-1] <= start:
            ends.pop()
        found.append(len(ends))
        ends.append(start + dur)
    depth[order] = found
    return depth


def slice_packets(slices: Slices) -> Iterator[bytes]:
    """The packets of all slices. At one instant ends come first, each of which closes what is innermost; then
    beginnings, the outermost first; then the ends of what lasts no time.
    """
    depth = depths(slices.track, slices.start_ns, slices.dur_ns)
    count = len(depth)
    time = np.concatenate((slices.start_ns, slices.start_ns + slices.dur_ns))
    turn = np.concatenate((np.ones(count, np.int64), np.where(slices.dur_ns > 0, 0, 2)))
    order = np.lexsort((np.concatenate((depth, np.zeros(count, np.int64))), turn, time))
    ends = {number: form(END, number) for number in np.unique(slices.track).tolist()}
    for first in range(0, 2 * count, _AT_ONCE):
        part = order[first : first + _AT_ONCE]
        yield _joined(slices, part, time[part], ends)


def _joined(slices: Slices, part: Int64s, time_ns: Int64s, ends: dict[int, Form]) -> bytes:
    times = wide_varints(time_ns).tobytes()
    count = len(slices.track)
    which = part % count
    tracks, looks = slices.track[which].tolist(), slices.look[which].tolist()
    forms, extra = slices.forms, slices.extra
    out: list[bytes] = []
    for place, (event, track, look) in enumerate(zip(part.tolist(), tracks, looks, strict=True)):
        is_end = event >= count
        before, behind = ends[track] if is_end else forms[look]
        at = place * TIME_BYTES
        out += (before, times[at : at + TIME_BYTES], behind)
        if not is_end and extra[event]:
            out.append(extra[event])
    return b"".join(out)
