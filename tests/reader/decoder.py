"""A second decoder to compare with: the standard library, one event at a time, decimals kept exact."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from sdtrace.reader import RawTrace, read_raw
from sdtrace.reader.columns import MemoryEvent, Metadata

RENAMED = {
    "Kernel": "kernel",
    "Memcpy": "gpu_memcpy",
    "Memset": "gpu_memset",
    "Runtime": "cuda_runtime",
    "hip_runtime": "cuda_runtime",
    "hip_driver": "cuda_driver",
}
HAVE_IDS = {
    "cpu_op", "user_annotation", "overhead", "cuda_runtime", "cuda_driver",
    "kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation", "cuda_sync",
}  # fmt: skip
BACKENDS = {"nccl", "gloo", "mpi", "ucc", "xccl", "hccl"}
OWN_IDS = {"External id", "Record function id", "Ev Idx", "correlation"}
SIZES = {"grid", "block", "registers per thread", "shared memory"}
LAUNCHED = {"cuda_runtime", "cuda_driver", "kernel", "gpu_memcpy", "gpu_memset", "cuda_sync"}


class Row(NamedTuple):
    """One complete event; ids 0 and bytes -1 where there are none."""

    category: str
    name: str
    pid: int | str
    tid: int | str
    start_ns: int
    dur_ns: int
    external_id: int
    correlation: int
    nbytes: int
    args: str
    """Of an op, without what no other event has; of a kernel its sizes; empty where nothing remains."""


class Plain(NamedTuple):
    """All that a file says."""

    rows: list[Row]
    counts: Counter[str]
    memory: list[MemoryEvent]
    metadata: list[Metadata]
    top_level: dict[str, Any]


def load(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, strict=False)


def decode(text: str) -> Plain:
    document = load(text)
    events = document if isinstance(document, list) else document.pop("traceEvents")
    plain = Plain([], Counter(), [], [], {} if isinstance(document, list) else document)
    for event in events:
        category = RENAMED.get(event.get("cat", ""), event.get("cat", ""))
        kind, args = event["ph"], event.get("args", {})
        if kind == "X":
            plain.rows.append(_row(category, event, args))
            plain.counts[category or "(no category)"] += 1
            continue
        plain.counts[category or f"(ph {kind})"] += 1
        told = args.get("labels" if event["name"] == "process_labels" else "name")
        if kind == "M" and isinstance(told, str):
            plain.metadata.append(Metadata(event["name"], event["pid"], event["tid"], told))
        if kind == "i" and event["name"] == "[memory]":
            sizes = (
                args[key]
                for key in ("Bytes", "Total Allocated", "Total Reserved", "Device Type", "Device Id", "Addr")
            )
            plain.memory.append(MemoryEvent(_ns(event["ts"]), event["tid"], *sizes))
    return plain


def _row(category: str, event: dict[str, Any], args: dict[str, Any]) -> Row:
    external = args.get("External id", args.get("external id", 0)) if category in HAVE_IDS else 0
    correlation = args.get("correlation", 0) if category in LAUNCHED else 0
    nbytes = args.get("bytes", -1) if category in ("gpu_memcpy", "gpu_memset") else -1
    place = (category, event["name"], event["pid"], event["tid"])
    kept = {key: value for key, value in args.items() if key not in OWN_IDS or not isinstance(value, int)}
    backend, colon, _ = event["name"].partition(":")
    is_collective = category == "user_annotation" and bool(colon) and backend in BACKENDS
    if category == "kernel":
        is_told = "grid" in args and "external id" not in args
        kept = {key: value for key, value in args.items() if key in SIZES} if is_told else {}
    text = canonical(kept) if (category in ("cpu_op", "kernel") or is_collective) and kept else ""
    return Row(*place, _ns(event["ts"]), _ns(event["dur"]), int(external), int(correlation), nbytes, text)


def canonical(args: dict[str, Any]) -> str:
    return json.dumps(args, sort_keys=True, default=str)


def _ns(microseconds: Decimal | int) -> int:
    return round(Decimal(microseconds) * 1000)


def rows_of(raw: RawTrace) -> list[Row]:
    """What the reader found, in the same form."""
    key, *numbers, args = (column.tolist() for column in raw.columns)
    texts = [*(canonical(load(text)) for text in raw.args), ""]
    columns = zip(key, *numbers, args, strict=True)
    return [Row._make((*raw.keys[k], *rest, texts[a])) for k, *rest, a in columns]


def read_text(text: str | bytes, folder: Path, name: str = "trace.json") -> RawTrace:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_raw(path)
