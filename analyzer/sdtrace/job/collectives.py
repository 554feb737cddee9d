"""Collectives by kind, size, type and group, with what crossed the links in which time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sdtrace import model
from sdtrace.analysis.microseconds import us
from sdtrace.job.kinds import bus_factor
from sdtrace.job.lateness import Arrival, median_ns
from sdtrace.job.rank import Rank
from sdtrace.roofline.cards import find_card


class _Key(NamedTuple):
    kind: str
    nbytes: int | None
    dtype: str
    group: str
    group_size: int | None


def collective_rows(ranks: Sequence[Rank], arrivals: Sequence[Arrival]) -> list[model.Collective]:
    """One row for each kind, size, type and group, longest device time first."""
    of_key: defaultdict[_Key, list[tuple[int, int]]] = defaultdict(list)
    for place, rank in enumerate(ranks):
        for number, call in enumerate(rank.calls):
            key = _Key(call.kind, call.nbytes, call.dtype, call.group, call.group_size)
            of_key[key].append((place, number))
    waiting = {
        (place, arrival.shared.calls[place]): ns
        for arrival in arrivals
        for place, ns in arrival.waiting_ns.items()
        if _counts(ranks[place], arrival.shared.calls[place])
    }
    transfers = {
        (place, number): arrival.transfer_ns
        for arrival in arrivals
        for place, number in arrival.shared.calls.items()
    }
    rows = [_row(ranks, key, calls, waiting, transfers) for key, calls in of_key.items()]
    return sorted(rows, key=lambda row: (-row.us, row.kind, row.bytes or 0))


def _row(
    ranks: Sequence[Rank],
    key: _Key,
    calls: Sequence[tuple[int, int]],
    waiting: Mapping[tuple[int, int], int],
    transfers: Mapping[tuple[int, int], int],
) -> model.Collective:
    known = [transfers[one] for one in calls if one in transfers]
    transfer = median_ns(known)
    members = Counter(place for place, _ in calls)
    algorithm = key.nbytes / transfer if transfer and key.nbytes else None
    factor = bus_factor(key.kind, key.group_size or len(members))
    bus = algorithm * factor if algorithm is not None and factor is not None else None
    link = _link_gbps(ranks[calls[0][0]], key.group_size)
    return model.Collective(
        kind=key.kind,
        bytes=key.nbytes,
        dtype=key.dtype,
        group=key.group,
        group_size=key.group_size,
        calls=max(members.values()),
        us=us(sum(_spent_ns(ranks[place], number) for place, number in calls)),
        waiting_us=us(sum(waiting[one] for one in calls if one in waiting)) if known else None,
        overlapped_us=us(sum(int(ranks[place].overlapped_ns[number]) for place, number in calls)),
        transfer_us=us(transfer) if known else None,
        algbw_gbps=algorithm,
        busbw_gbps=bus,
        pct_of_link=100 * bus / link if bus is not None and link is not None else None,
    )


def _spent_ns(rank: Rank, number: int) -> int:
    """Time of a call on the device; without device work that of the host."""
    call = rank.calls[number]
    return call.busy_ns if call.work or rank.communication_ns else call.end_ns - call.start_ns


def _counts(rank: Rank, number: int) -> bool:
    """Whether the time of a call is its own: in a batch only the first one counts."""
    return bool(rank.calls[number].work) or not rank.communication_ns


def _link_gbps(rank: Rank, group_size: int | None) -> float | None:
    """What the card's links to other GPUs can do, in 10^9 bytes a second, where the group fits on one host.

    A host that shows fewer devices than the group has ranks reaches some of them over a network.
    """
    card = find_card(rank.device, rank.link_properties) if rank.device else None
    if card is None or card.nvlink_bytes_per_s is None or (group_size or 2) > max(rank.devices_of_host, 1):
        return None
    return card.nvlink_bytes_per_s / 1e9
