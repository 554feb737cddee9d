"""What a kernel costs that does nothing: to the host that launches it, to the device in a CUDA graph."""

from __future__ import annotations

import time
from typing import Final

import torch

from sdtrace_collector.peaks.clock import graphed_s

_LAUNCHES: Final = 500
"""Fewer than a device's queue holds (1,024): a full one makes the host wait."""


def launch_us(device: torch.device, tries: int = 10) -> float:
    """Microseconds of the host from one launch of an empty kernel to the next; the best of some series."""
    best = float("inf")
    for _ in range(tries):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        for _ in range(_LAUNCHES):
            _empty_kernel()
        best = min(best, (time.perf_counter() - start) / _LAUNCHES)
    torch.cuda.synchronize(device)
    return best * 1e6


def graph_gap_us(device: torch.device) -> float:
    """Microseconds of the device from one empty kernel of a CUDA graph to the next."""
    return graphed_s(_empty_kernel, device, calls=_LAUNCHES) * 1e6


def _empty_kernel() -> None:
    """torch's kernel that waits, for one cycle: the one it has that computes nothing."""
    torch.cuda._sleep(1)  # type: ignore[no-untyped-call]
