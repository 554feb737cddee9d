"""Times work on the device's own clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import torch

Work = Callable[[], object]


def fastest_s(work: Work, device: torch.device, calls: int) -> float:
    """Seconds of the fastest of `calls` calls, after one that is not counted."""
    work()
    if device.type == "cpu":
        stamps = [time.perf_counter()]
        for _ in range(calls):
            work()
            stamps.append(time.perf_counter())
        return min(later - earlier for earlier, later in pairwise(stamps))
    events = [_event() for _ in range(calls + 1)]
    torch.cuda.synchronize(device)
    events[0].record()
    for event in events[1:]:
        work()
        event.record()
    torch.cuda.synchronize(device)
    return float(min(earlier.elapsed_time(later) for earlier, later in pairwise(events))) / 1000


def graphed_s(work: Work, device: torch.device, calls: int = 50, tries: int = 8) -> float:
    """Seconds per call where a CUDA graph repeats it: no launch is waited for. The fastest of some replays.

    Not `torch.cuda.graph`: that collects garbage first, which takes long beside a whole pipeline.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        work()
        torch.cuda.synchronize(device)
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            for _ in range(calls):
                work()
        finally:
            graph.capture_end()
        seconds = fastest_s(graph.replay, device, tries) / calls
    torch.cuda.current_stream(device).wait_stream(stream)
    return seconds


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
