"""Files that are no trace of torch.profiler: what each is, and what can be read of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.categories import CANONICAL, DEVICE, HOST
from sdtrace.reader.columns import EventKey, Metadata

_BEGINNINGS: Final = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the trace itself; run: git lfs pull",
    ),
    (b"PK\x03\x04", "is a zip archive; unpack it and give the trace in it"),
    (b"\x1f\x8b", "is compressed twice; unpack it once"),
    (b"\xff\xfe", "is text in UTF-16; write it again in UTF-8"),
    (b"\xfe\xff", "is text in UTF-16; write it again in UTF-8"),
    (
        b"SQLite format 3",
        "is an SQLite database, such as Nsight Systems exports, and no trace",
    ),
    (b"\x80", "is a Python pickle, such as a memory snapshot, and no trace"),
    (b"<", "is HTML or XML, such as the page of a failed download, and no trace"),
)
"""How files begin that are no JSON, and what they are."""
_SHAPES: Final = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (rb'^\{"self_cpu_total_us"', "is torch's own table of a trace (key_averages), not a trace"),
        (rb'^\{\s*"schema"\s*:\s*"sdtrace\.', "is a report of sdtrace, not a trace"),
        (
            rb'"schema"\s*:\s*"[\d.]+-chakra',
            "is an execution trace (ExecutionTraceObserver), which has no times",
        ),
        (rb'"(?:device_traces|segments)"\s*:\s*\[', "is a memory snapshot of torch, not a trace"),
        (rb"speedscope\.app/file-format", "is a profile of speedscope, not a trace of torch.profiler"),
        (rb'"resourceSpans"\s*:', "is a trace of OpenTelemetry, not of torch.profiler"),
    )
)
"""What JSON of other kinds holds near its beginning."""
_NEAR: Final = 4096
_ARCHIVE: Final = slice(257, 262)
"""Where a tar archive says what it is."""
_LEGACY: Final = {"CPU functions": "cpu_op", "CUDA functions": "kernel"}
"""Processes in traces of the autograd profiler from before Kineto, which writes no categories."""
_ASCEND: Final = frozenset({"Ascend Hardware", "CANN"})
_XLA: Final = ("/device:", "/host:")
_OURS: Final = HOST | DEVICE | CANONICAL.keys() | {"Trace"}
"""Categories by which a trace of torch.profiler is known."""
_KINETO: Final = frozenset({"schemaVersion", "deviceProperties", "baseTimeNanoseconds"})
_WRITERS: Final = {
    "FEE": "VizTracer",
    "Session": "ONNX Runtime",
    "Node": "ONNX Runtime",
    "devtools.timeline": "Chrome",
    "toplevel": "Chrome",
}
"""Categories that other tools write."""


def describe(text: bytes) -> str | None:
    """What a file that begins with `text` is, and what to do; None when it is JSON or may be anything."""
    if text[_ARCHIVE] == b"ustar":
        return "is a tar archive; unpack it and give the trace in it"
    start = text[:_NEAR].lstrip()
    return next((what for beginning, what in _BEGINNINGS if start.startswith(beginning)), None)


def describe_json(text: bytes) -> str | None:
    """What JSON without events that begins with `text` is; None when it may be anything."""
    near = text[:_NEAR].lstrip()
    return next((what for pattern, what in _SHAPES if pattern.search(near)), None)


def recognise(
    path: Path,
    keys: list[EventKey],
    metadata: list[Metadata],
    counts: Counter[str],
    top_level: Iterable[str],
) -> list[EventKey]:
    """The keys, with the categories that another writer left out. `counts` is of events without a duration.

    `top_level` are the names beside the events; those that Kineto writes make any kind of event torch's.
    Raises UnreadableTrace when the events are of a profiler whose traces cannot be read.
    """
    processes = {entry.value for entry in metadata if entry.kind == "process_name"}
    if processes & _ASCEND:
        raise UnreadableTrace(f"{path}: was written by torch_npu (Ascend), whose traces cannot be read")
    if keys and not any(key.category for key in keys):
        if any(process.startswith(_XLA) for process in processes):
            raise UnreadableTrace(
                f"{path}: is no trace of torch.profiler; it looks like one of JAX/XLA, which cannot be read"
            )
        return [key._replace(category=_LEGACY.get(str(key.pid), "")) for key in keys]
    found = {key.category for key in keys} - {""}
    if found and not found & _OURS and _KINETO.isdisjoint(top_level):
        writer = next((name for category, name in _WRITERS.items() if category in found), None)
        what = (
            f"it looks like one of {writer}"
            if writer
            else f"its events are of kinds like '{min(found)[:40]}'"
        )
        raise UnreadableTrace(f"{path}: is no trace of torch.profiler; {what}, which cannot be read")
    if not keys and (HOST | DEVICE) & counts.keys():
        raise UnreadableTrace(f"{path}: begins and ends its events apart (ph B and E), which cannot be read")
    return keys
