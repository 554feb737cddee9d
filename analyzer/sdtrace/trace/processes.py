"""Which process each thread and each stream of a trace belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.reader.categories import DEVICE, HOST, LAUNCHES, WORK
from sdtrace.reader.columns import EventKey, Metadata
from sdtrace.trace.ids import Ids, find_ids
from sdtrace.trace.labels import Pid, match_labels, match_offsets

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
_OF_ONE: Final = HOST - {"overhead", "python_function"}
"""What only a process has. Python threads that torch does not know have pid 0, as has the first device."""
_SURE: Final = 0.9
"""Share of a device's work that must follow a launch of the process that it is given to."""
_APART: Final = 0.02
"""Shares closer than this do not decide."""
_SOON: Final = 2
"""A process whose launches lie so many times further back than another's is not the one."""
_MOST_PAIRS: Final = 4096
"""Devices times processes that are compared at most."""


class Process(NamedTuple):
    """A process of the host; `pid` as in the file."""

    pid: int | str
    name: str


class Events(NamedTuple):
    """What tells processes apart: arrays of one length; `key` is the place in the list of keys."""

    key: Int32s
    start_ns: Int64s
    external_id: Int64s
    correlation: Int64s


def find_processes(
    keys: Sequence[EventKey], metadata: Sequence[Metadata], events: Events
) -> tuple[list[Process], dict[Pid, int]]:
    """All processes, and the number of the one that each pid of the file belongs to; -1 is unknown.

    Host events have the pid of their process, device events that of their device. A file of one process
    leaves no question. Where ranks were merged, labels decide, then offsets and what the devices did
    (see `sdtrace.trace.labels`); pids of devices that several processes share stay unknown.
    """
    kinds = _kinds_by_pid(keys)
    hosts = [pid for pid, found in kinds.items() if found & _OF_ONE] or [
        pid for pid, found in kinds.items() if "python_function" in found
    ]
    names = _names_by_pid(metadata)
    processes = [Process(pid, next(iter(names.get(pid, ())), "")) for pid in hosts]
    if len(hosts) < 2 or _are_halves_of_one(hosts, kinds):
        return processes[:1], dict.fromkeys(kinds, 0 if hosts else -1)
    number = dict(zip(hosts, range(len(hosts)), strict=True))
    others = [pid for pid in kinds if pid not in number]
    number |= zip(others, match_labels(hosts, others, names), strict=True)
    devices = [pid for pid in others if kinds[pid] & DEVICE]
    if any(number[pid] < 0 for pid in devices) and len(devices) * len(hosts) <= _MOST_PAIRS:
        number |= _match_by_work(hosts, [pid for pid in devices if number[pid] < 0], keys, events)
    return processes, number


def _kinds_by_pid(keys: Iterable[EventKey]) -> dict[Pid, set[str]]:
    kinds: defaultdict[Pid, set[str]] = defaultdict(set)
    for key in keys:
        kinds[key.pid].add(key.category)
    return kinds


def _names_by_pid(metadata: Iterable[Metadata]) -> dict[Pid, list[str]]:
    names: defaultdict[Pid, list[str]] = defaultdict(list)
    for entry in metadata:
        if entry.kind == "process_name":
            names[entry.pid].append(entry.value.strip())
    return names


def _are_halves_of_one(hosts: Sequence[Pid], kinds: Mapping[Pid, Collection[str]]) -> bool:
    """Whether one of two pids has all ops and the other all launches: one process, with two names."""
    if len(hosts) != 2:
        return False
    ops = [bool({"cpu_op", "user_annotation"} & set(kinds[pid])) for pid in hosts]
    launches = [bool(LAUNCHES & set(kinds[pid])) for pid in hosts]
    return ops[0] != ops[1] and launches[0] != launches[1] and ops[0] != launches[0]


def _match_by_work(
    hosts: Sequence[Pid], devices: Sequence[Pid], keys: Sequence[EventKey], events: Events
) -> dict[Pid, int]:
    """The process whose launches precede the work of each device, ids and time taken together.

    Where the work of several devices follows the launches of several processes equally well, each is taken
    to have one device, and both to stand in one order.
    """
    launch, launch_host = _rows(events, keys, LAUNCHES, hosts)
    work, work_device = _rows(events, keys, WORK, devices)
    by_host = [_delays(events, launch[launch_host == host], work) for host in range(len(hosts))]
    fitting = [
        _fitting(events.correlation[work[mine]], [delays[mine] for delays in by_host])
        for mine in (work_device == device for device in range(len(devices)))
    ]
    taken = {found[0] for found in fitting if len(found) == 1}
    usual = match_offsets(hosts, devices)
    return {
        pid: _decided([host for host in found if host not in taken] if len(found) > 1 else found, expected)
        for pid, found, expected in zip(devices, fitting, usual, strict=True)
    }


def _rows(
    events: Events, keys: Sequence[EventKey], categories: Collection[str], pids: Sequence[Pid]
) -> tuple[Int64s, Int64s]:
    """Events of `categories` that carry a correlation, and where in `pids` each one's pid stands."""
    place = {pid: number for number, pid in enumerate(pids)}
    known = [place.get(key.pid, -1) if key.category in categories else -1 for key in keys]
    numbers = np.array(known, np.int64)[events.key]
    rows = np.flatnonzero((numbers >= 0) & (events.correlation > 0))
    return rows, numbers[rows]


def _delays(events: Events, launch: Int64s, work: Int64s) -> Int64s:
    """By how many nanoseconds each piece of work follows the launch with its ids; -1 where none fits."""
    one = np.zeros(len(events.key), np.int32)
    ids = Ids(events.correlation, one, events.start_ns)
    found = find_ids(ids.at(launch), ids.at(work))
    match = launch[found] if launch.size else work
    same = (events.external_id[match] == events.external_id[work]) | (events.external_id[match] <= 0)
    fits = (found >= 0) & same & (events.start_ns[match] <= events.start_ns[work])
    return np.where(fits, events.start_ns[work] - events.start_ns[match], -1)


def _fitting(correlation: Int64s, delays: Sequence[Int64s]) -> list[int]:
    """The processes that may have launched the work of one device; `delays` holds one array for each.

    None where ids often occur exactly twice, as they do where two processes share the device.
    """
    _, times = np.unique(correlation, return_counts=True)
    if not times.size or float(np.mean(times == 2)) > 1 - _SURE:
        return []
    shares = np.array([np.mean(own >= 0) for own in delays])
    near = np.flatnonzero(shares > max(_SURE, shares.max() - _APART)).tolist()
    usual = {host: float(np.median(delays[host][delays[host] >= 0])) for host in near}
    soon = [host for host in near if usual[host] < _SOON * min(usual.values())]
    return soon or near


def _decided(fitting: Sequence[int], usual: int) -> int:
    """The one process that fits; of several the `usual`, else -1."""
    if len(fitting) == 1:
        return fitting[0]
    return usual if usual in fitting else -1
