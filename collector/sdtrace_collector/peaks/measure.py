"""Measures all peaks of a device, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Final

import torch

from sdtrace.roofline.cards import find_card
from sdtrace_collector.machine_facts import device_name
from sdtrace_collector.peaks.gaps import graph_gap_us, launch_us
from sdtrace_collector.peaks.links import host_rate, peer_rate
from sdtrace_collector.peaks.memory import cache_rate, memory_rate
from sdtrace_collector.peaks.products import TYPES, product_rate, warm_up
from sdtrace_collector.peaks.record import MeasuredPeaks

_CANNOT: Final = (RuntimeError, AttributeError, TypeError, ValueError, ZeroDivisionError)
"""How torch says that a card, or its own version, has no such type or no memory left."""
_Part = tuple[str, Callable[[], float | None]]


def measure_peaks(device: torch.device, *, peers: bool = True, budget_s: float = 20.0) -> MeasuredPeaks:
    """The device's peaks; what it cannot do, and what the budget leaves no time for, is left out.

    Takes some 4 s on a GPU, 2 s on a CPU. With `peers` also copies to every other GPU, on which it takes
    some memory. Leaves the precision of float32 products, and no memory, as it found them.
    """
    start = time.perf_counter()
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        found = dict(_measured(device, peers, start + budget_s))
        if device.type == "cuda":
            torch.cuda.empty_cache()
    flops = {name: rate for name, rate in found.items() if name in TYPES[device.type]}
    figures = {name: figure for name, figure in found.items() if name not in flops}
    return MeasuredPeaks(
        card=device_name(device),
        flops_per_s=flops,
        l2_bytes=_cache_bytes(device),
        measured_in_s=round(time.perf_counter() - start, 2),
        **figures,
    )


def _measured(device: torch.device, peers: bool, deadline: float) -> Iterator[tuple[str, float]]:
    warm_up(device, 0.3 if device.type == "cuda" else 0.05)
    for name, part in _parts(device, peers):
        if time.perf_counter() > deadline:
            return
        try:
            figure = part()
        except _CANNOT:
            continue
        if figure is not None and 0 < figure < float("inf"):
            yield name, float(f"{figure:.4g}")


def _parts(device: torch.device, peers: bool) -> Iterator[_Part]:
    """In the order of what a report needs most."""
    free = _free_bytes(device)
    yield "memory_bytes_per_s", partial(memory_rate, device, free)
    for name in sorted(TYPES[device.type], key=lambda name: name == "float64"):
        yield name, partial(product_rate, name, device, free)
    if device.type == "cpu":
        return
    if cache := _cache_bytes(device):
        yield "l2_bytes_per_s", partial(cache_rate, device, cache)
    yield "launch_us", partial(launch_us, device)
    yield "graph_gap_us", partial(graph_gap_us, device)
    yield "pcie_bytes_per_s", partial(host_rate, device)
    if peers:
        yield "nvlink_bytes_per_s", partial(peer_rate, device)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cpu":
        return 4 << 30
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


def _cache_bytes(device: torch.device) -> int | None:
    """The last cache before memory. The table of cards knows it better: ROCm tells the L2 of one die."""
    if device.type == "cpu":
        return None
    known = find_card(device_name(device))
    return (
        known.l2_bytes if known else getattr(torch.cuda.get_device_properties(device), "L2_cache_size", None)
    )
