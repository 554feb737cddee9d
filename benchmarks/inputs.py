"""Traces to measure with: found, unpacked, repeated, and written in other layouts."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_SHARED = ("bf16_sdpa.cold.json.gz", "fp32_eager.json.gz")
_BLOCK = 16 << 20
_SHIFTED = re.compile(rb'"(ts|pid|id|External id|correlation)": (\d+)')
_TS = re.compile(rb'"ts": (\d+)')
_PID_STEP = 10_000_000
"""More than Linux gives out."""
_ID_STEP = 100_000_000
"""More events than a trace has; eight of them stay within the 32 bits of a CUPTI correlation."""
_GAP_US = 1_000_000

LAYOUTS = (
    "compact",
    "an event a line",
    "indented by 2",
    "keys sorted, indented by 1",
    "compact, times since 1970",
    "compact, times less the first",
)
_REWRITE = """
import json, sys
source, target, layout = sys.argv[1:]
with open(source, encoding="utf-8", errors="replace") as file:
    trace = json.load(file)
compact = {"separators": (",", ":")}
how = {
    "compact": compact,
    "compact, times since 1970": compact,
    "compact, times less the first": compact,
    "indented by 2": {"indent": 2},
    "keys sorted, indented by 1": {"indent": 1, "sort_keys": True},
}
timed = [event for event in trace["traceEvents"] if "times" in layout and "ts" in event]
first = min((event["ts"] for event in timed if event["ph"] == "X"), default=0)
for event in timed:
    event["ts"] += -first if "less" in layout else 1.7e15
with open(target, "w", encoding="utf-8") as file:
    if layout in how:
        file.writelines(json.JSONEncoder(**how[layout]).iterencode(trace))
    else:
        events = trace.pop("traceEvents")
        file.write(json.dumps(trace)[:-1] + ', "traceEvents": [\\n')
        file.writelines(json.dumps(event) + ",\\n" for event in events[:-1])
        file.write(json.dumps(events[-1]) + "\\n]}")
"""
_EXPORT = """
import sys, torch
from torch.profiler import ProfilerActivity, profile, record_function
layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(288, 8)]
model = torch.nn.Sequential(*layers)
with profile(activities=[ProfilerActivity.CPU], record_shapes=True, with_stack=True) as profiler:
    for _ in range(50):
        with record_function("model_inference"):
            model(torch.ones(1, 3, 8, 8))
profiler.export_chrome_trace(sys.argv[1])
"""


def find_traces() -> list[Path]:
    """The reference traces of `SDTRACE_SHARED_TRACES`; without them the largest shipped one."""
    shared = Path(os.environ.get("SDTRACE_SHARED_TRACES", _ROOT.parent / "shared" / "traces")) / "reference"
    found = [shared / name for name in _SHARED if (shared / name).is_file()]
    shipped = sorted((_ROOT / "traces").glob("*.json*"), key=lambda path: path.stat().st_size)
    return found or shipped[-1:]


def unpack(trace: Path, folder: Path) -> Path:
    """The trace as plain JSON: itself, or unpacked into `folder`."""
    if trace.suffix != ".gz":
        return trace
    target = folder / trace.stem
    with gzip.open(trace) as source, target.open("wb") as plain:
        shutil.copyfileobj(source, plain, _BLOCK)
    return target


def pack(trace: Path, folder: Path) -> Path:
    """The trace as gzip, as `gzip -6` packs it."""
    target = folder / f"{trace.name}.gz"
    with trace.open("rb") as plain, gzip.open(target, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(plain, packed, _BLOCK)
    return target


def repeat(trace: Path, times: int, target: Path) -> Path:
    """The events of `trace` `times` over, in the same text layout.

    Copies follow each other in time; each has pids, correlations, flows and External ids of its own.
    Works on text as torch writes it (`"key": number`), block by block.
    """
    with trace.open("rb") as source, target.open("wb") as out:
        first, last = _events_range(source.read(_BLOCK), trace)
        shift = _span_us(_lines(trace, first, last)) + _GAP_US
        source.seek(0)
        out.write(source.read(first))
        for copy in range(times):
            if copy:
                out.write(b",")
            for block in _lines(trace, first, last):
                out.write(_shifted(block, copy, shift) if copy else block)
        source.seek(last)
        out.write(source.read())
    return target


def _events_range(start: bytes, trace: Path) -> tuple[int, int]:
    """Offsets of the first event's line and of the end of the last event."""
    first = start.index(b"[", start.index(b'"traceEvents"')) + 1
    with trace.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        tail_at = source.seek(max(0, size - _BLOCK))
        last = tail_at + source.read().rindex(b"\n  ]")
    return first, last


def _lines(trace: Path, first: int, last: int) -> Iterator[bytes]:
    """The text between two offsets in blocks that end with a line."""
    with trace.open("rb") as source:
        source.seek(first)
        carry, left = b"", last - first
        while left:
            block = source.read(min(_BLOCK, left))
            left -= len(block)
            cut = block.rfind(b"\n") + 1 if left else len(block)
            yield carry + block[:cut]
            carry = block[cut:]


def _span_us(blocks: Iterator[bytes]) -> int:
    """From the first to the last time stamp."""
    low, high = sys.maxsize, 0
    for block in blocks:
        stamps = [int(found) for found in _TS.findall(block)]
        low, high = min([low, *stamps]), max([high, *stamps])
    return high - low


def _shifted(block: bytes, copy: int, shift_us: int) -> bytes:
    steps = {b"ts": copy * shift_us, b"pid": copy * _PID_STEP}

    def moved(found: re.Match[bytes]) -> bytes:
        key, digits = found.groups()
        if key not in steps and digits == b"0":
            return found[0]
        return b'"%b": %d' % (key, int(digits) + steps.get(key, copy * _ID_STEP))

    return _SHIFTED.sub(moved, block)


def rewrite(trace: Path, target: Path, layout: str) -> Path:
    """The same trace in one of `LAYOUTS`; in a process that needs much memory."""
    subprocess.run([sys.executable, "-c", _REWRITE, str(trace), str(target), layout], check=True)
    return target


def torch_export(python: str, target: Path) -> Path:
    """A small profile with stacks by the torch of `python`, in the layout that this torch writes."""
    subprocess.run([python, "-c", _EXPORT, str(target)], check=True, stdout=subprocess.DEVNULL)
    return target
