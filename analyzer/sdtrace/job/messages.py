"""What sends and receives tell of the clocks: none is received before it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sdtrace.job.matching import Shared
from sdtrace.job.rank import Rank


class Bounds(NamedTuple):
    """What to add to the clock of each rank, by its place, and by how much that may be wrong; nanoseconds."""

    shift_ns: dict[int, int]
    within_ns: int


def clocks_by_messages(ranks: Sequence[Rank], shared: Sequence[Shared]) -> Bounds | None:
    """The shifts under which each message ends after it was sent; None where they do not bound every clock.

    A message from u to v says shift(v) - shift(u) >= sent(u) - received(v). The longest paths between ranks
    over all of these bound each shift from both sides; the middle is taken, and no shift at all where that is
    possible too.
    """
    count = len(ranks)
    least = np.full((count, count), -np.inf)
    np.fill_diagonal(least, 0.0)
    for one in shared:
        pair = _sender_and_receiver(ranks, one)
        if pair is not None:
            (sender, sent), (receiver, received) = pair
            least[sender, receiver] = max(least[sender, receiver], sent - received)
    is_possible_as_it_is = bool((least <= 0).all())
    for middle in range(count):
        least = np.maximum(least, least[:, middle, None] + least[None, middle, :])
    low, high = least[0], -least[:, 0]
    if not np.isfinite(low).all() or not np.isfinite(high).all() or (np.diag(least) > 0).any():
        return None
    shifts = np.zeros(count) if is_possible_as_it_is else (low + high) / 2
    within = np.maximum(high - shifts, shifts - low).max()
    return Bounds({place: round(shift) for place, shift in enumerate(shifts.tolist())}, round(float(within)))


_End = tuple[int, int]


def _sender_and_receiver(ranks: Sequence[Rank], one: Shared) -> tuple[_End, _End] | None:
    """The places of both with when the send began and when the receive ended; None for what is no message.

    Only work on the device counts: what the CPU sends may be gone before its record begins.
    """
    ends: dict[bool, _End] = {}
    for place, number in one.calls.items():
        call, base = ranks[place].calls[number], ranks[place].base_ns
        is_on_device = call.start_ns > call.called_ns
        if call.peer is not None and is_on_device:
            is_send = call.peer.is_send
            ends[is_send] = place, base + (call.start_ns if is_send else call.end_ns)
    return (ends[True], ends[False]) if len(ends) == 2 else None
