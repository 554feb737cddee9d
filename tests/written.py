"""Small traces, written as Kineto writes them and read back, for tests of phases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.trace import Trace, load_trace

Event = dict[str, Any]

MS = 1_000_000


def host(name: str, start: int, dur: int, category: str = "cpu_op", thread: int = 1) -> Event:
    """A host event; times in nanoseconds."""
    return _event(name, category, 100, thread, start, dur)


def call(name: str, start: int, dur: int, correlation: int, thread: int = 1) -> Event:
    """A runtime call."""
    return {**host(name, start, dur, "cuda_runtime", thread), "args": {"correlation": correlation}}


def kernel(name: str, start: int, dur: int, correlation: int, stream: int = 7) -> Event:
    """Device work; a copy or a fill when the name says so."""
    category = {"Memcpy": "gpu_memcpy", "Memset": "gpu_memset"}.get(name[:6], "kernel")
    args = {"correlation": correlation, "stream": stream}
    return {**_event(name, category, 0, stream, start, dur), "args": args}


def written(path: Path, events: Sequence[Event]) -> LinkedTrace:
    """The events as a file at `path`, read and attributed."""
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": list(events)}), encoding="utf-8")
    return attribute(load_trace(path))


def without(trace: Trace, names: Sequence[str] = (), categories: Sequence[str] = ()) -> LinkedTrace:
    """The trace without events of these names or categories."""
    named = np.array([name in names for name in trace.names], np.bool_)[trace.name]
    kept = ~named & ~trace.in_categories(categories)
    return attribute(trace.take(np.flatnonzero(kept)))


def _event(name: str, category: str, pid: int, tid: int, start: int, dur: int) -> Event:
    times = {"ts": start / 1000, "dur": dur / 1000}
    return {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid, **times}


def images(walls_ms: list[int], compile_ms: int = 0) -> list[Event]:
    """Annotated iterations one after the other, the first of which compiles."""
    events, start = [host("aten::mm", 0, 10)], 0
    for wall in walls_ms:
        events.append(host("image", start, wall * MS, "user_annotation"))
        events.append(host("aten::mm", start + 10, wall * MS - 20))
        start += wall * MS
    if compile_ms:
        events.append(host("entire_frame_compile", 20, compile_ms * MS))
    return events
