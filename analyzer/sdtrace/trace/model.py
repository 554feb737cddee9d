"""The trace as arrays. All times are int64 nanoseconds since the trace's first event."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.reader.categories import DEVICE, LAUNCHES
from sdtrace.trace.part_of import PartOf, part_of
from sdtrace.trace.processes import Process

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Bools = NDArray[np.bool_]
_BETWEEN_GPUS = re.compile(r"^(?:nccl|rccl|xccl|hccl):\w")
"""What torch records for a collective of these libraries."""

_COLUMNS = (
    "name",
    "category",
    "thread",
    "start_ns",
    "dur_ns",
    "external_id",
    "correlation",
    "nbytes",
    "args",
)
"""The fields of `Trace` that have one element per event."""


class Thread(NamedTuple):
    """A host thread, or a device's stream (Kineto writes device and stream as pid and tid)."""

    pid: int | str
    tid: int | str
    name: str


class Memory(NamedTuple):
    """Allocations and frees, in the order of time; arrays of one length.

    `nbytes` is negative for a free. `total_reserved` is -1 where it is not told. `device_type` is torch's
    (0 CPU, 1 CUDA, …).
    """

    time_ns: Int64s
    nbytes: Int64s
    total_allocated: Int64s
    total_reserved: Int64s
    device_type: Int64s
    device_id: Int64s
    address: Int64s
    """0 where it is not told."""
    tid: list[int | str]


@dataclass(frozen=True)
class Trace:
    """Complete events of one file, one row each, in the order of the file.

    `name`, `category` and `thread` (int32) index `names`, `categories` and `threads`. Ids hold within a
    process: in a file of merged ranks those of two processes may be equal. `external_id` and
    `correlation` are 0, `nbytes` and `args` -1 where an event has none.
    """

    path: Path
    label: str
    names: list[str]
    categories: list[str]
    threads: list[Thread]
    processes: list[Process]
    process: Int32s
    """For each of `threads` the number of its process, -1 where the file does not tell it."""
    args_texts: list[str]
    name: Int32s
    category: Int32s
    thread: Int32s
    start_ns: Int64s
    dur_ns: Int64s
    external_id: Int64s
    correlation: Int64s
    nbytes: Int64s
    args: Int32s
    memory: Memory
    origin_ns: int
    """The first event's timestamp as the file has it; times are since then."""
    top_level: Mapping[str, Any]
    counts: Mapping[str, int]
    skipped: int
    quarantined: int = 0
    """Events left out of every sum because their times are impossible."""
    quarantined_rows: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    """Where they stand among the complete events of the file."""
    quarantined_examples: list[str] = field(default_factory=list)
    """One line for each of the first few of them."""
    salvaged: bool = False
    names_device: bool = False
    """Whether a process of the file is called a GPU or another accelerator, with events or without."""

    @cached_property
    def _in_categories(self) -> dict[frozenset[str], Bools]:
        return {}

    @cached_property
    def _matching(self) -> dict[re.Pattern[str], Bools]:
        return {}

    def __len__(self) -> int:
        return len(self.start_ns)

    @cached_property
    def end_ns(self) -> Int64s:
        """Where each event ends."""
        return self.start_ns + self.dur_ns

    @cached_property
    def file_rows(self) -> Int64s:
        """Where each event stands among the complete events of the file, in which the impossible ones are."""
        return np.delete(np.arange(len(self) + len(self.quarantined_rows)), self.quarantined_rows)

    def in_categories(self, categories: Collection[str]) -> Bools:
        """Which events have one of `categories`; kept, and therefore not to be written to."""
        asked = frozenset(categories)
        if asked not in self._in_categories:
            found = np.array([name in asked for name in self.categories], np.bool_)[self.category]
            found.setflags(write=False)
            self._in_categories[asked] = found
        return self._in_categories[asked]

    def rows(self, categories: Collection[str]) -> Int64s:
        """The events that have one of `categories`, in the order of the file."""
        return np.flatnonzero(self.in_categories(categories))

    def names_matching(self, pattern: re.Pattern[str]) -> Bools:
        """Which of `names` (not of the events) the pattern is found in; kept, not to be written to."""
        if pattern not in self._matching:
            found = np.array([pattern.search(name) is not None for name in self.names], np.bool_)
            found.setflags(write=False)
            self._matching[pattern] = found
        return self._matching[pattern]

    def named(self, pattern: re.Pattern[str]) -> Bools:
        """Which events have a name in which the pattern is found."""
        return self.names_matching(pattern)[self.name]

    def process_of(self, rows: Int64s) -> Int32s:
        """The process of each of `rows` (an index into `processes`, int32), -1 where it is unknown."""
        found: Int32s = self.process[self.thread[rows]]
        return found

    def take(self, rows: Int64s) -> Trace:
        """The trace with the events `rows` (indices) alone; everything beside the events stays."""
        return replace(self, **{column: getattr(self, column)[rows] for column in _COLUMNS})

    @cached_property
    def part_of(self) -> PartOf | None:
        """What the file tells about the whole trace of which it is a part; None when it is none."""
        return part_of(self.top_level, self.origin_ns)

    def lasting(self, start_ns: int, end_ns: int) -> tuple[int, int]:
        """From the first event to the last, made longer where a part began earlier or ended later."""
        part = self.part_of
        if part is None:
            return start_ns, end_ns
        return min(start_ns, part.start_ns - self.origin_ns), max(end_ns, part.end_ns - self.origin_ns)

    @property
    def run(self) -> dict[str, Any]:
        """What the collector wrote about the run (schema `sdtrace.run/1`); {} in other people's traces."""
        facts = self.top_level.get("sdtrace")
        return facts if isinstance(facts, dict) else {}

    @property
    def speaks_of_device(self) -> bool:
        """Whether anything in the file says that a GPU was there: an event, a call of its runtime, a name.

        Libraries that send from GPU to GPU say so too.
        """
        events = not (LAUNCHES | DEVICE).isdisjoint(self.counts)
        named = self.names_device or bool(self.device or self.run.get("device_name"))
        return events or named or any(map(_BETWEEN_GPUS.match, self.names))

    @property
    def device(self) -> dict[str, Any]:
        """The first device's properties as the profiler wrote them; {} when there is none."""
        devices = self.top_level.get("deviceProperties")
        first = devices[0] if isinstance(devices, list) and devices else {}
        return first if isinstance(first, dict) else {}
