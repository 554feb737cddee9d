"""The least time that one call of an op could take on a card, and what it is bound by."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from sdtrace.model.work import Peaks
from sdtrace.roofline.traffic import Traffic

Bound = Literal["compute", "memory", "latency"]
SHORTEST_S: Final = 0.6e-6
"""No kernel takes less: the shortest of some 400,000 on H100, H200 and MI300X took 0.67 us."""


class Roof(NamedTuple):
    """The least time of a call in seconds, and what bounds it: `latency` where a kernel takes longer."""

    seconds: float
    bound: Bound


def roof_of(flops: int, traffic: Traffic | None, peaks: Peaks, dtype: str | None) -> Roof | None:
    """The roof of a call that computes in `dtype` ("tf32" where float32 is multiplied so).

    What it moves goes through memory, or where all of it fits into the last cache through that. None where
    the card's rates for it are not known.

    >>> rates = {"flops_per_s": {"float16": 1e15}, "memory_bytes_per_s": 1e12}
    >>> card = Peaks(card="X", source="given", origin="", **rates)
    >>> roof_of(0, Traffic(3_000_000, 1_000_000, True, "float16"), card, "float16")
    Roof(seconds=4e-06, bound='memory')
    """
    computing = _computing_s(flops, peaks, dtype)
    moving = _moving_s(traffic, peaks)
    if computing is None or moving is None:
        return None
    if max(computing, moving) < SHORTEST_S:
        return Roof(SHORTEST_S, "latency")
    return Roof(computing, "compute") if computing >= moving else Roof(moving, "memory")


def family(dtype: str) -> str:
    """The name under which a card's rate for a type is kept: its 8-bit formats multiply equally fast.

    >>> family("float8_e4m3fn"), family("bfloat16")
    ('float8', 'bfloat16')
    """
    return next((name for name in ("float8", "float4") if dtype.startswith(name)), dtype)


def _computing_s(flops: int, peaks: Peaks, dtype: str | None) -> float | None:
    if not flops:
        return 0.0
    rate = peaks.flops_per_s.get(family(dtype or ""))
    return flops / rate if rate else None


def _moving_s(traffic: Traffic | None, peaks: Peaks) -> float | None:
    if traffic is None:
        return None
    size = traffic.bytes_read + traffic.bytes_written
    fits = peaks.l2_bytes is not None and size - traffic.in_place <= peaks.l2_bytes
    rate = peaks.l2_bytes_per_s if fits else peaks.memory_bytes_per_s
    return size / rate if rate else None


_ITEM_BITS: Final = {"float64": 64, "float32": 32, "tf32": 32, "bfloat16": 16, "float16": 16, "float8": 8}


def at_best_dtype(
    flops: int, traffic: Traffic | None, peaks: Peaks, dtype: str | None, best: str | None
) -> float:
    """The factor by which the least time of a call changes if it computes in the type `best`, not `dtype`.

    Operations go by the card's rates, bytes by the size of an element. 1 where that is no faster, or either
    type or the least time is not known.
    """
    roof = roof_of(flops, traffic, peaks, dtype)
    if roof is None or traffic is None or dtype not in _ITEM_BITS or best not in _ITEM_BITS:
        return 1.0
    shrinks = min(1.0, _ITEM_BITS[best] / _ITEM_BITS[dtype])
    read, written = int(traffic.bytes_read * shrinks), int(traffic.bytes_written * shrinks)
    faster = max((dtype, best), key=lambda name: peaks.flops_per_s.get(name, 0.0))
    shrunk = Traffic(read, written, traffic.exact, faster, in_place=int(traffic.in_place * shrinks))
    found = roof_of(flops, shrunk, peaks, faster)
    return 1.0 if found is None else min(1.0, found.seconds / roof.seconds)
