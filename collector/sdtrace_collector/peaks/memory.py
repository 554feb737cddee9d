"""How fast the device reads and writes its memory, and the cache before it."""

from __future__ import annotations

from typing import Final

import torch

from sdtrace_collector.peaks.clock import Work, fastest_s, graphed_s

_LARGEST: Final = {"cpu": 32 << 20, "cuda": 1 << 30}
"""Bytes of one array: many times the cache, yet a fraction of a second in all."""
_SMALL_PART, _LARGE_PART = 0.25, 0.55
"""Working sets, as parts of the cache. Less leaves multiprocessors idle; beyond 0.7 of it data no longer
stay (gpu-benches, gpu-l2-cache: A100, H100)."""
_KINDS: Final = {"add": 3, "negate": 2}
"""Work on the cache, and how many arrays it reads and writes. The time of a sum is not proportional."""


def memory_rate(device: torch.device, free_bytes: int) -> float:
    """Bytes per second, read and written together, of the fastest of copy, sum, addition and fill."""
    calls = 3 if device.type == "cpu" else 6
    size = min(_LARGEST[device.type], free_bytes // 8)
    a, b, c = (torch.ones(size // 4, device=device) for _ in range(3))
    total = torch.empty((), device=device)
    works: list[tuple[int, Work]] = [
        (2, lambda: b.copy_(a)),
        (3, lambda: torch.add(a, b, out=c)),
        (1, lambda: torch.sum(a, dim=0, out=total)),
        (1, lambda: c.fill_(2.0)),
    ]
    return max(arrays * a.nbytes / fastest_s(work, device, calls) for arrays, work in works)


def cache_rate(device: torch.device, cache_bytes: int) -> float:
    """Bytes per second of sets that stay in the cache, read and written together.

    A kernel on so little takes as long to start and end as to move its bytes. The difference between two
    sizes holds the bytes alone, as a roof must: what kernels reach is below.
    """
    return max(
        _slope(kind, device, round(cache_bytes * _SMALL_PART), round(cache_bytes * _LARGE_PART))
        for kind in _KINDS
    )


def _slope(kind: str, device: torch.device, small: int, large: int) -> float:
    fewer, short = _cached(kind, device, small)
    more, long = _cached(kind, device, large)
    return (more - fewer) / (graphed_s(long, device) - graphed_s(short, device))


def _cached(kind: str, device: torch.device, set_bytes: int) -> tuple[int, Work]:
    """Work on arrays of so many bytes together, and how many it moves."""
    arrays = _KINDS[kind]
    a, b, c = (torch.ones(set_bytes // arrays // 4, device=device) for _ in range(3))
    works: dict[str, Work] = {"add": lambda: torch.add(a, b, out=c), "negate": lambda: torch.neg(a, out=b)}
    return arrays * a.nbytes, works[kind]
