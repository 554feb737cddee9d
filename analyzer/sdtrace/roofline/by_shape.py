"""Device time by op and shape, beside what the card could do: which work is far from its roof."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.roofline.kinds import KindWork
from sdtrace.roofline.limits import Bound
from sdtrace.roofline.named_work import NamedWork
from sdtrace.trace.model import Bools


class ShapeRow(NamedTuple):
    """All calls of one op with tensors of these shapes and types; times in nanoseconds.

    `flops` and bytes are of all calls together; None where they are not known.
    `roof_ns` is the least time they could take, `lost_ns` what they take more; None where that is not known.
    `exact` is False where the bytes are a bound or a guess.
    """

    op: str
    input_dims: str
    input_types: str
    calls: int
    device_ns: int
    flops: int
    bytes_read: int | None
    bytes_written: int | None
    bound: Bound | None
    roof_ns: int | None
    lost_ns: int | None
    exact: bool
    dram_bytes_read: int | None = None


@dataclass(frozen=True)
class KernelWork:
    """What device work of one name did, all of it together; None where some of it is not known."""

    flops: int
    bytes_read: int | None
    bytes_written: int | None
    roof_ns: int | None
    exact: bool
    dram_bytes_read: int | None = None


@dataclass(frozen=True)
class MeasuredKinds:
    """Calls and device time (int64, nanoseconds) of each kind of op, in all of the trace or a part."""

    works: list[KindWork]
    calls: Int64s
    device_ns: Int64s


def measure_kinds(
    linked: LinkedTrace, named: NamedWork, works: list[KindWork], mask: Bools | None = None
) -> MeasuredKinds:
    """Add up the device work of each kind; `mask` (one per piece) chooses some of it."""
    mine = named.kind >= 0 if mask is None else (named.kind >= 0) & mask
    picked = np.flatnonzero(mine)
    kind = named.kind[picked]
    device_ns = sum_by(kind, linked.trace.dur_ns[linked.work.row[picked]], len(works))
    calls = np.unique(kind + len(works) * named.call[picked])
    return MeasuredKinds(works, np.bincount(calls % max(1, len(works)), minlength=len(works)), device_ns)


def shape_rows(measured: MeasuredKinds) -> list[ShapeRow]:
    """One row per op, shapes and types, longest device time first."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index in np.flatnonzero(measured.calls).tolist():
        work = measured.works[index]
        groups.setdefault((work.kind.op, work.dims, work.types), []).append(index)
    rows = [_row(measured, key, members) for key, members in groups.items()]
    return sorted(rows, key=lambda row: (-row.device_ns, row.op, row.input_dims))


def _row(measured: MeasuredKinds, key: tuple[str, str, str], members: list[int]) -> ShapeRow:
    works = [measured.works[index] for index in members]
    calls, times = measured.calls[members].tolist(), measured.device_ns[members].tolist()
    device_ns, roof_ns = sum(times), roof_sum(works, calls)
    longest = max(zip(times, works, strict=True), key=lambda pair: pair[0])[1]
    traffic = [work.traffic for work in works]
    return ShapeRow(
        *key,
        calls=sum(calls),
        device_ns=device_ns,
        flops=sum(work.flops * count for work, count in zip(works, calls, strict=True)),
        bytes_read=_weighted(((t.bytes_read if t else None) for t in traffic), calls),
        bytes_written=_weighted(((t.bytes_written if t else None) for t in traffic), calls),
        bound=longest.roof.bound if roof_ns is not None and longest.roof else None,
        roof_ns=roof_ns,
        lost_ns=None if roof_ns is None else max(0, device_ns - roof_ns),
        exact=all(t is not None and t.exact for t in traffic),
        dram_bytes_read=_weighted(((t.dram_bytes_read if t else None) for t in traffic), calls),
    )


def roof_sum(works: list[KindWork], calls: list[int]) -> int | None:
    """The least time of so many calls of each, in nanoseconds; None where one of them has no roof."""
    seconds = 0.0
    for work, count in zip(works, calls, strict=True):
        if work.roof is None:
            return None
        seconds += work.roof.seconds * count
    return round(seconds * 1e9)


def _weighted(values: Iterable[int | None], calls: list[int]) -> int | None:
    total = 0
    for value, count in zip(values, calls, strict=True):
        if value is None:
            return None
        total += value * count
    return total


def kernel_work(
    linked: LinkedTrace, named: NamedWork, works: list[KindWork], mask: Bools | None = None
) -> dict[str, KernelWork]:
    """What kernels did, by name, where each of their calls is the only work of its op."""
    picked = np.arange(len(named.kind)) if mask is None else np.flatnonzero(mask)
    kind, name = named.kind[picked], linked.trace.name[linked.work.row[picked]].astype(np.int64)
    _, which, pieces = np.unique(named.call, return_inverse=True, return_counts=True)
    is_alone = (named.call >= 0) & (pieces[which] == 1)
    _, first, counts = np.unique(name * (len(works) + 1) + kind + 1, return_index=True, return_counts=True)
    some_in_company = np.zeros(len(linked.trace.names), np.bool_)
    some_in_company[name[~is_alone[picked] | (kind < 0)]] = True
    groups: dict[int, list[tuple[KindWork, int]]] = {}
    for place, count in zip(first.tolist(), counts.tolist(), strict=True):
        if not some_in_company[name[place]]:
            groups.setdefault(int(name[place]), []).append((works[int(kind[place])], count))
    return {linked.trace.names[number]: _kernel(members) for number, members in groups.items()}


def _kernel(members: list[tuple[KindWork, int]]) -> KernelWork:
    works, calls = [work for work, _ in members], [count for _, count in members]
    traffic = [work.traffic for work in works]
    return KernelWork(
        flops=sum(work.flops * count for work, count in members),
        bytes_read=_weighted(((t.bytes_read if t else None) for t in traffic), calls),
        bytes_written=_weighted(((t.bytes_written if t else None) for t in traffic), calls),
        roof_ns=roof_sum(works, calls),
        exact=all(t is not None and t.exact for t in traffic),
        dram_bytes_read=_weighted(((t.dram_bytes_read if t else None) for t in traffic), calls),
    )
