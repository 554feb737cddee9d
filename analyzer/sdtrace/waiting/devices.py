"""The devices of a trace: which work is whose, how busy each is, and whether they take turns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.links import DeviceWork
from sdtrace.intervals import Bools, Int64s, Intervals, intersect, join, nothing, total, union
from sdtrace.trace import Trace

_LAST_NUMBER: Final = re.compile(r"(\d+)\D*$")
_MOST_DIGITS: Final = 6
_MOST_DEVICES: Final = 256
"""Each is held against each other, and against all that the host did: more of them count as one."""
ALL_DEVICES: Final = "all devices"
"""The label of the one they count as."""
_IN_USE: Final = 0.01
"""A device that does less than this share of the busiest one's work waits for nobody."""
_BUSY_ENOUGH: Final = 0.05
"""Share of the work of two: of the time it would be little where the CPU is the limit."""
_BY_CHANCE: Final = 0.25


@dataclass(frozen=True)
class DeviceRow:
    """One device; times in integer nanoseconds.

    `busy_ns + idle_ns` is the span the device is looked at: from the first to the last work of all devices
    that one process feeds. `steady_busy_ns` and `steady_wall_ns` are within steady iterations, the work that
    they left queued included; both are 0 where there are none. `index` is None where the trace gives the
    device no number.
    """

    index: int | None
    name: str
    busy_ns: int
    idle_ns: int
    kernels: int
    steady_busy_ns: int
    steady_wall_ns: int


class Turns(NamedTuple):
    """Devices that one process keeps busy one after the other, by their place among the devices.

    `overlap_ns` is how long more than one of them was busy, `busy_ns` how long any was, `waiting_ns` how
    long each on average stood idle while another was busy.
    """

    devices: tuple[int, ...]
    busy_ns: int
    overlap_ns: int
    waiting_ns: int


@dataclass(frozen=True)
class Devices:
    """Devices by their label in the file, sorted; `of_work` (int64, one per piece of work) indexes them.

    `start_ns` and `end_ns` bound the time in which each is looked at.
    """

    labels: list[str]
    of_work: Int64s
    busy: list[Intervals]
    start_ns: Int64s
    end_ns: Int64s
    shares_process: NDArray[np.bool_]
    """Whether one process launches on both, a square matrix."""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def turns(self) -> NDArray[np.bool_]:
        """Which devices take turns with which, a square matrix: each does a good part of the work, and they
        work at once for much less than two that know nothing of each other would."""
        result = np.zeros((len(self), len(self)), np.bool_)
        for one in range(len(self)):
            for other in range(one):
                if self.shares_process[one, other]:
                    result[one, other] = result[other, one] = self._alternate(one, other)
        return result

    def _alternate(self, one: int, other: int) -> bool:
        span = int(self.end_ns[one] - self.start_ns[one])
        busy = [total(self.busy[device]) for device in (one, other)]
        if min(busy) < _BUSY_ENOUGH * sum(busy):
            return False
        overlap = total(intersect(self.busy[one], self.busy[other]))
        return overlap * span <= _BY_CHANCE * busy[0] * busy[1]

    def others_busy(self, device: int) -> Intervals:
        """When a device was at work that takes turns with `device`."""
        others = np.flatnonzero(self.turns[device]).tolist() if len(self) > 1 else []
        return join(*(self.busy[other] for other in others)) if others else nothing()


def find_devices(linked: LinkedTrace) -> Devices:
    """The devices of a trace, those of two processes apart."""
    trace, work = linked.trace, linked.work
    labels, of_work = _labels(work)
    if len(labels) > _MOST_DEVICES:
        labels, of_work = [ALL_DEVICES], np.zeros(len(work.row), np.int64)
    start, end = trace.start_ns[work.row], trace.end_ns[work.row]
    order = np.argsort(of_work, kind="stable")
    bounds = np.searchsorted(of_work[order], np.arange(len(labels) + 1)).tolist()
    groups = [order[a:b] for a, b in pairwise(bounds)]
    busy = [union(start[mine], end[mine]) for mine in groups]
    own = np.array([(start[mine].min(), end[mine].max()) for mine in groups], np.int64).reshape(-1, 2)
    shares = _shares_process(work, of_work, len(labels))
    lengths = np.array([total(intervals) for intervals in busy], np.int64)
    in_use = lengths >= _IN_USE * lengths.max(initial=0)
    first, last = own[:, 0].copy(), own[:, 1].copy()
    for device in np.flatnonzero(in_use).tolist():
        group = shares[device] & in_use
        first[device], last[device] = own[group, 0].min(), own[group, 1].max()
    return Devices(labels, of_work, busy, first, last, shares)


def busy_ns(linked: LinkedTrace, devices: Devices, work_mask: Bools | None = None) -> int:
    """How long devices were at work (on the work in `work_mask`), summed over the devices."""
    if work_mask is None:
        return sum(total(intervals) for intervals in devices.busy)
    trace, row = linked.trace, linked.work.row
    parts = (row[work_mask & (devices.of_work == device)] for device in range(len(devices)))
    return sum(total(union(trace.start_ns[rows], trace.end_ns[rows])) for rows in parts)


def device_rows(linked: LinkedTrace, devices: Devices, steady: Intervals) -> list[DeviceRow]:
    """Facts of every device, in the order of their labels; `steady` is when steady iterations ran."""
    trace, row = linked.trace, linked.work.row
    kernels = devices.of_work[trace.in_categories({"kernel"})[row]]
    counts = np.bincount(kernels, minlength=len(devices)).tolist()
    spans = (devices.end_ns - devices.start_ns).tolist()
    names = _device_names(trace)
    rows = []
    for device, label in enumerate(devices.labels):
        busy, index = total(devices.busy[device]), _index(label)
        within = intersect(devices.busy[device], steady)
        rows.append(
            DeviceRow(
                index=index if index >= 0 else None,
                name=names.get(index, names.get(-1, "")),
                busy_ns=busy,
                idle_ns=spans[device] - busy,
                kernels=counts[device],
                steady_busy_ns=total(within),
                steady_wall_ns=total(steady),
            )
        )
    return rows


def find_turns(devices: Devices) -> Turns | None:
    """The devices that take turns, None where none do."""
    taking = np.flatnonzero(devices.turns.any(axis=1)).tolist() if len(devices) > 1 else []
    if not taking:
        return None
    any_busy = join(*(devices.busy[device] for device in taking))
    each = [total(devices.busy[device]) for device in taking]
    overlap = sum(each) - total(any_busy)
    waiting = sum(
        total(devices.others_busy(device))
        - total(intersect(devices.others_busy(device), devices.busy[device]))
        for device in taking
    )
    return Turns(tuple(taking), total(any_busy), overlap, waiting // len(taking))


def _labels(work: DeviceWork) -> tuple[list[str], Int64s]:
    """The labels of devices in order (`9` before `10`), and the place of each piece of work's among them.

    Work of an unknown process counts for the one device of its pid that is known.
    """
    keys = [(device.pid, device.process) for device in work.devices]
    known: dict[int | str, list[int]] = {}
    for pid, process in keys:
        known.setdefault(pid, []).extend([process] if process >= 0 else [])
    owners = [known[pid][0] if process < 0 and len(known[pid]) == 1 else process for pid, process in keys]
    named = [
        (str(pid) if len(known[pid]) < 2 else f"process {owner}, {pid}")
        for (pid, _), owner in zip(keys, owners, strict=True)
    ]
    labels = sorted(set(named), key=lambda label: (_index(label), label))
    place = {label: number for number, label in enumerate(labels)}
    return labels, np.array([place[label] for label in named], np.int64)[work.device]


def _index(label: str) -> int:
    """The device's number: the last one in its label, -1 for none; what is longer is a handle."""
    found = _LAST_NUMBER.search(label)
    return int(found[1]) if found and len(found[1]) <= _MOST_DIGITS else -1


def _device_names(trace: Trace) -> dict[int, str]:
    """Names by number as the profiler wrote them; under -1 the name all have, where it is one."""
    given = trace.top_level.get("deviceProperties")
    facts = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    names = {
        number: str(item.get("name", ""))
        for place, item in enumerate(facts)
        for number in (item.get("id", place),)
        if isinstance(number, int)
    }
    alike = set(names.values())
    return {**names, -1: alike.pop()} if len(alike) == 1 else names


def _shares_process(work: DeviceWork, of_work: Int64s, size: int) -> NDArray[np.bool_]:
    """Which pairs of devices get work from one process; every device shares with itself."""
    known = work.process >= 0
    feeds = np.zeros((int(work.process.max(initial=0)) + 1, size), np.int64)
    feeds[work.process[known], of_work[known]] = 1
    return (feeds.T @ feeds > 0) | np.eye(size, dtype=np.bool_)
