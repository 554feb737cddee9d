"""From what the reader found to a `Trace`."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from sdtrace.reader import STDIN, THREADS, RawTrace, read_raw
from sdtrace.reader.categories import DEVICE, HOST
from sdtrace.reader.columns import MemoryEvent, Metadata
from sdtrace.trace.encodable import encodable
from sdtrace.trace.model import Int32s, Memory, Thread, Trace
from sdtrace.trace.part_of import part_of
from sdtrace.trace.processes import Events, Process, find_processes
from sdtrace.trace.quarantine import MAX_NS, find_impossible

Key = TypeVar("Key", bound=Hashable)
_NAMES_OF_PROCESSES = frozenset({"process_name", "process_labels"})
_ACCELERATOR = re.compile(r"\b(?:GPU|CUDA|XPU|HPU|MTIA|NPU|TPU|MLU)\b(?! disabled)")
_KIND_OF_ACCELERATOR = re.compile(r"(?:xpu|hpu|mtia|npu|tpu|mlu|gcu|ipu|musa|privateuse1)_")
"""How categories begin that other backends write, such as `hpu_op`."""
_COMPRESSIONS = (".gz", ".zst", ".xz")
_SAMPLE = 1 << 16
"""Events that tell the middle of a trace well enough to know a damaged stamp."""


def load_trace(
    path: Path, file: BinaryIO | None = None, *, cache: bool = False, threads: int = THREADS
) -> Trace:
    """Read one file.

    `file` is what to read instead of the file at `path`, which then only names it. With `cache` what was
    read before need not be read again (see `sdtrace.trace.cache`). `threads` decode it.
    Raises UnreadableTrace when the file is missing or no trace, OutputError when the cache cannot be written.
    """
    if not cache:
        return from_raw(path, read_raw(path, file, threads))
    from sdtrace.trace.cache import cache_folder, read_cached  # noqa: PLC0415  # most runs need none of it

    return from_raw(path, read_cached(path, cache_folder()))


def from_raw(path: Path, raw: RawTrace) -> Trace:
    """Rebase times to the first event and number what repeats."""
    raw = _in_order_of_appearance(raw)
    columns = raw.columns
    names, name = _numbered(key.name for key in raw.keys)
    categories, category = _numbered(key.category for key in raw.keys)
    places, thread = _numbered((key.pid, key.tid) for key in raw.keys)
    top_level = encodable(_top_level(raw.top_level))
    origin = _origin(raw, category[columns.key], categories)
    part = part_of(top_level, origin)
    origin = origin if part is None else min(origin, part.start_ns)
    processes, process = _processes(raw, places)
    trace = Trace(
        path=path,
        label=_label(path),
        names=names,
        categories=categories,
        threads=_threads(places, raw.metadata),
        processes=processes,
        process=process,
        args_texts=raw.args,
        name=name[columns.key],
        category=category[columns.key],
        thread=thread[columns.key],
        start_ns=columns.start_ns - origin,
        dur_ns=columns.dur_ns,
        external_id=columns.external_id,
        correlation=columns.correlation,
        nbytes=columns.nbytes,
        args=columns.args,
        memory=_memory(raw.memory, origin),
        origin_ns=origin,
        top_level=top_level,
        counts=dict(raw.counts),
        skipped=raw.skipped,
        salvaged=raw.salvaged,
        names_device=any(map(_names_device, raw.metadata))
        or any(map(_KIND_OF_ACCELERATOR.match, categories)),
    )
    return find_impossible(trace)


def _names_device(entry: Metadata) -> bool:
    return entry.kind in _NAMES_OF_PROCESSES and _ACCELERATOR.search(entry.value) is not None


def _in_order_of_appearance(raw: RawTrace) -> RawTrace:
    """The same with keys in the order of their first events, so that no layout gives other numbers."""
    key = raw.columns.key
    first = np.full(len(raw.keys), len(key), np.int64)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    order = np.argsort(first, kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    keys = [raw.keys[place] for place in order.tolist()]
    return replace(raw, keys=keys, columns=raw.columns._replace(key=number[key]))


def _numbered(keys: Iterable[Key]) -> tuple[list[Key], Int32s]:
    """Distinct keys in order of appearance, and each key's number."""
    table: dict[Key, int] = {}
    numbers = [table.setdefault(key, len(table)) for key in keys]
    return list(table), np.array(numbers, np.int32)


def _origin(raw: RawTrace, category: Int32s, categories: list[str]) -> int:
    """When the first event of a known kind starts; spans of the profiler itself may lie elsewhere.

    A damaged stamp, 13 days and more from the middle one, is not taken for the first.
    """
    known = np.array([name in HOST or name in DEVICE for name in categories], np.bool_)[category]
    if not known.any():
        known[:] = True
    rows = np.flatnonzero(known)
    if not rows.size:
        return 0
    starts = raw.columns.start_ns
    some = starts[rows[:: max(1, rows.size // _SAMPLE)]]
    middle = np.partition(some, some.size // 2)[some.size // 2]
    return int(starts.min(where=known & (starts > middle - MAX_NS), initial=middle))


def _label(path: Path) -> str:
    """The file's name without what tells its format; bytes that are no UTF-8 are spelled out."""
    if path == STDIN:
        return "stdin"
    name = path.name.encode("utf-8", "backslashreplace").decode()
    for suffix in (*_COMPRESSIONS, ".json", ".pt.trace"):
        name = name.removesuffix(suffix)
    return name or path.name


def _threads(places: list[tuple[int | str, int | str]], metadata: list[Metadata]) -> list[Thread]:
    names = {(str(m.pid), str(m.tid)): m.value.strip() for m in metadata if m.kind == "thread_name"}
    return [Thread(pid, tid, names.get((str(pid), str(tid)), "")) for pid, tid in places]


def _processes(raw: RawTrace, places: list[tuple[int | str, int | str]]) -> tuple[list[Process], Int32s]:
    columns = raw.columns
    events = Events(columns.key, columns.start_ns, columns.external_id, columns.correlation)
    processes, number = find_processes(raw.keys, raw.metadata, events)
    return processes, np.array([number[pid] for pid, _ in places], np.int32)


def _memory(events: list[MemoryEvent], origin: int) -> Memory:
    ordered = sorted(events, key=lambda event: event.time_ns)
    fields = [
        (e.time_ns, e.nbytes, e.total_allocated, e.total_reserved, e.device_type, e.device_id, e.address)
        for e in ordered
    ]
    columns = dict(zip(Memory._fields, np.array(fields, np.int64).reshape(-1, 7).T, strict=False))
    columns["time_ns"] = columns["time_ns"] - origin
    return Memory(**columns, tid=[e.tid for e in ordered])


def _top_level(keys: dict[str, Any]) -> dict[str, Any]:
    """Keys beside the events; the collector's facts may have been written as JSON inside a text."""
    facts = keys.get("sdtrace")
    if isinstance(facts, str):
        try:
            return {**keys, "sdtrace": json.loads(facts)}
        except (ValueError, RecursionError):
            return keys
    return keys
