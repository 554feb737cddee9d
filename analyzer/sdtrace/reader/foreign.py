"""Files that are no trace of torch.profiler: what each is, and what can be read of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.categories import CANONICAL, DEVICE, HOST
from sdtrace.reader.columns import EventKey, Metadata

_TWICE: Final = "is compressed twice; unpack it once"
_BEGINNINGS: Final = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the trace itself; run: git lfs pull",
    ),
    (b"/annex/objects/", "is a pointer of git-annex, not the trace itself; run: git annex get"),
    (b"PK\x03\x04", "is a zip archive; unpack it and give the trace in it"),
    (b"BZh", "is compressed with bzip2; unpack it first"),
    (b"\x04\x22\x4d\x18", "is compressed with lz4; unpack it first"),
    (b"\x5d\x00\x00", "is compressed with lzma; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it and give the trace in it"),
    (b"\x1f\x8b", _TWICE),
    (b"\x28\xb5\x2f\xfd", _TWICE),
    (b"\xfd7zXZ", _TWICE),
    (b"\xff\xfe\0\0", "is text in UTF-32; write it again in UTF-8"),
    (b"\0\0\xfe\xff", "is text in UTF-32; write it again in UTF-8"),
    (b"\xff\xfe", "is text in UTF-16; write it again in UTF-8"),
    (b"\xfe\xff", "is text in UTF-16; write it again in UTF-8"),
    (
        b"SQLite format 3",
        "is an SQLite database, such as Nsight Systems exports, and no trace",
    ),
    (b"\x80", "is a Python pickle, such as a memory snapshot, and no trace"),
    (b"NVR\0", "is a report of Nsight Compute, and no trace"),
    (b"PAR1", "is a table in Parquet, and no trace"),
    (b"<", "is HTML or XML, such as the page of a failed download, and no trace"),
)
"""How files begin that are no JSON, and what they are."""
_SHAPES: Final = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (rb'^\{"self_cpu_total_us"', "is torch's own table of a trace (key_averages), not a trace"),
        (rb'^\{\s*"schema"\s*:\s*"sdtrace\.', "is a report of sdtrace, not a trace"),
        (
            rb'"schema"\s*:\s*"[\d.]+-chakra|"name"\s*:\s*"\[pytorch\|profiler\|execution_',
            "is an execution trace (ExecutionTraceObserver), which has no times",
        ),
        (rb'"(?:device_traces|segments)"\s*:\s*\[', "is a memory snapshot of torch, not a trace"),
        (rb'"collective_seq_id"\s*:|"pg_status"\s*:', "is a dump of NCCL's flight recorder, not a trace"),
        (rb"^\{[^\n]*\}\r?\n\{", "holds an object on each line (JSON lines), such as a log, and no trace"),
        (rb"speedscope\.app/file-format", "is a profile of speedscope, not a trace of torch.profiler"),
        (rb'"resourceSpans"\s*:', "is a trace of OpenTelemetry, not of torch.profiler"),
        (rb'^\{\s*"rocprofiler-sdk-tool"', "is a profile of rocprofv3 (AMD), not a trace of torch.profiler"),
    )
)
"""What JSON of other kinds holds near its beginning."""
_NEAR: Final = 4096
_ARCHIVE: Final = slice(257, 262)
"""Where a tar archive says what it is."""
_FEW: Final = 256
_WIDE: Final = re.compile(rb"[\[{]\0|\0{1,3}[\[{]")
"""How JSON begins in UTF-16 and UTF-32 without a mark."""
_CONTROLS: Final = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
_LOG_LINE: Final = re.compile(rb"\[[^\]\n{]*\][:\s]*[A-Za-z]")
"""`[2024-05-01 10:00:00] INFO` or `[rank0]: Traceback`."""
_LISTS: Final = (
    (re.compile(rb'\[\s*\{\s*"traceEvents"'), "is a list of traces; give each its own file"),
    (re.compile(rb'\[\s*\{[^]]*"frame"\s*:\s*\{'), "is a profile of Triton's Proton, and no trace"),
    (
        re.compile(rb"\[\s*\[-?\d+,\s*-?\d+[,\]]"),
        "is a memory timeline of torch (export_memory_timeline), not a trace",
    ),
)
"""How lists begin that are none of events."""
_LOG: Final = "is not JSON but plain text, such as a log, so no trace"
_SUFFIXES: Final = {
    ".nsys-rep": "a report of Nsight Systems",
    ".qdrep": "a report of Nsight Systems",
    ".ncu-rep": "a report of Nsight Compute",
    ".pftrace": "a binary trace of Perfetto",
    ".perfetto-trace": "a binary trace of Perfetto",
}
_LEGACY: Final = {"CPU functions": "cpu_op", "CUDA functions": "kernel"}
"""Processes in traces of the autograd profiler from before Kineto, which writes no categories."""
_ASCEND: Final = frozenset({"Ascend Hardware", "CANN"})
_XLA: Final = ("/device:", "/host:", "/job:")
_OURS: Final = HOST | DEVICE | CANONICAL.keys() | {"Trace"}
"""Categories by which a trace of torch.profiler is known."""
_METADATA: Final = "(ph M)"
"""Names of processes, without which even a profile of nothing is not written."""
_KINETO: Final = frozenset({"schemaVersion", "deviceProperties", "baseTimeNanoseconds"})
_WRITERS: Final = {
    "FEE": "VizTracer",
    "fee": "VizTracer",
    "Session": "ONNX Runtime",
    "Node": "ONNX Runtime",
    "devtools.timeline": "Chrome",
    "v8": "Chrome",
    "toplevel": "Chrome",
}
"""Categories that other tools write."""


def describe(text: bytes) -> str | None:
    """What a file that begins with `text` is, and what to do; None when it is JSON or may be anything."""
    if text[_ARCHIVE] == b"ustar":
        return "is a tar archive; unpack it and give the trace in it"
    if text and not text[:_NEAR].strip(b"\0"):
        return "holds zeros, not JSON: the machine or the disk failed while it was written"
    if _WIDE.match(text):
        return "is text in UTF-16 or UTF-32; write it again in UTF-8"
    if text[:1] == b"\n" and _CONTROLS.search(text[:_FEW]):
        return "is binary, such as a trace of Perfetto (protobuf), not JSON"
    start = text[:_NEAR].removeprefix(b"\xef\xbb\xbf").lstrip()
    known = [what for beginning, what in _BEGINNINGS if start.startswith(beginning)]
    known += [what for pattern, what in _LISTS if pattern.match(start)]
    known += [_LOG] if _LOG_LINE.match(start) else []
    return next(iter(known), None)


def describe_json(text: bytes) -> str | None:
    """What JSON without events that begins with `text` is; None when it may be anything."""
    near = text[:_NEAR].lstrip()
    return next((what for pattern, what in _SHAPES if pattern.search(near)), None)


def describe_text(path: Path, text: bytes) -> str:
    """What something is that begins with `text` and is no JSON, by its name and whether it can be read."""
    if path.suffix in _SUFFIXES:
        return f"is {_SUFFIXES[path.suffix]}, not JSON, and cannot be read"
    return "is not JSON, so no trace" if _CONTROLS.search(text[:_NEAR]) else _LOG


def recognise(
    path: Path,
    keys: list[EventKey],
    metadata: list[Metadata],
    counts: Counter[str],
    top_level: Iterable[str],
) -> list[EventKey]:
    """The keys, with the categories that another writer left out. `counts` is of events without a duration.

    `top_level` are the names beside the events; those that Kineto writes make any kind of event torch's.
    Raises UnreadableTrace when the events are of a profiler whose traces cannot be read, or none has a
    duration.
    """
    processes = {entry.value for entry in metadata if entry.kind == "process_name"}
    if processes & _ASCEND:
        raise UnreadableTrace(f"{path}: was written by torch_npu (Ascend), whose traces cannot be read")
    found = {key.category for key in keys} - {""}
    if keys and not found:
        keys = [key._replace(category=_LEGACY.get(str(key.pid), "")) for key in keys]
        found = {key.category for key in keys} - {""}
    kinds, is_ours = found if keys else set(counts), not _KINETO.isdisjoint(top_level)
    what = "" if is_ours else _other_writer(kinds, processes, is_timed=bool(keys))
    if what:
        raise UnreadableTrace(f"{path}: is no trace of torch.profiler; {what}, which cannot be read")
    if not keys and (HOST | DEVICE) & counts.keys():
        raise UnreadableTrace(f"{path}: begins and ends its events apart (ph B and E), which cannot be read")
    if not keys and counts and not is_ours and _METADATA not in counts:
        raise UnreadableTrace(
            f"{path}: holds no event with a duration; was the profiler active, and the file whole?"
        )
    return keys


def _other_writer(found: Collection[str], processes: Collection[str], *, is_timed: bool) -> str:
    """What a file that torch did not write looks like, by its categories and processes.

    '' where torch may have written it.
    """
    kinds = {part.removeprefix("disabled-by-default-") for name in found for part in name.split(",")}
    writer = next((name for kind, name in _WRITERS.items() if kind in kinds), None)
    if writer is not None and not HOST & kinds:
        return f"it looks like one of {writer}"
    if not is_timed or _OURS & kinds:
        return ""
    if any(process.startswith(_XLA) for process in processes):
        return "it looks like one of JAX/XLA or TensorFlow"
    return f"its events are of kinds like '{min(found)[:40]}'" if found else "its events have no category"
