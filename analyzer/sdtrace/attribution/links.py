"""Which op launched which piece of device work, from which process, on which device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.host import HostEvents, copies_correlation
from sdtrace.attribution.nesting import Int32s, Int64s, first_outside
from sdtrace.reader.categories import LAUNCHES, WORK
from sdtrace.trace import Trace
from sdtrace.trace.ids import Ids, find_ids

_LAST_NUMBER: Final = re.compile(r"(\d+)(?!.*\d)")


class Device(NamedTuple):
    """A device that work ran on. `pid` is as in the file, `process` -1 where it is unknown.

    Devices of two processes count as two, for ranks of one file number theirs each from 0.
    """

    pid: int | str
    process: int

    @property
    def number(self) -> int | None:
        """The device's number within its process, None where its pid has none: 1 of `[TP01] 1`."""
        found = _LAST_NUMBER.search(str(self.pid))
        return int(found[1]) if found else None


@dataclass(frozen=True)
class DeviceWork:
    """Kernels, copies and fills; arrays of one length, in the order of the file.

    `row` is the place in the trace. `launch` is the trace row of the runtime or driver call that
    launched it, `op` the host event (index into `HostEvents`) it counts for, `process` the number of the
    process (int32); -1 where the trace does not tell. `device` (int32) is an index into `devices`.
    """

    row: Int64s
    launch: Int64s
    op: Int64s
    process: Int32s
    device: Int32s
    devices: list[Device]


def link_device_work(trace: Trace, host: HostEvents) -> DeviceWork:
    """Find the launch, the op, the process and the device of every piece of device work.

    `External id` names the op directly. Where it is missing, or is only a copy of the correlation (as
    before 2024-02), the correlation finds the launch, and the op that encloses it is the one. Work of
    a launch outside any op counts for the launch itself.

    Ids are looked up within the process. Work of an unknown process goes to the call of its ids that
    precedes it and is nearest in time.
    """
    row = trace.rows(WORK)
    process = trace.process_of(row)
    launch = _launches(trace, row, process)
    process = np.where((process < 0) & (launch >= 0), trace.process_of(launch), process)
    op = _by_external_id(trace, host, _Work(row, launch, process))
    missing = np.flatnonzero((op < 0) & (launch >= 0))
    op[missing] = _enclosing_op(trace, host, launch[missing])
    devices, device = _devices(trace, row, process)
    return DeviceWork(row, launch, op, process, device, devices)


class _Work(NamedTuple):
    """Device work while it is being linked; as in `DeviceWork`."""

    row: Int64s
    launch: Int64s
    process: Int32s


def _launches(trace: Trace, row: Int64s, process: Int32s) -> Int64s:
    """The trace row of the call that launched each piece of work, -1 where the file has none."""
    calls = trace.rows(LAUNCHES)
    calls = calls[trace.correlation[calls] > 0]
    held = Ids(trace.correlation[calls], trace.process_of(calls), trace.start_ns[calls])
    wanted = Ids(trace.correlation[row], process, trace.start_ns[row])
    found = np.where(wanted.id > 0, find_ids(held, wanted), -1)
    unknown = np.flatnonzero((process < 0) & (trace.external_id[row] > 0))
    if unknown.size:
        sure = _with_both_ids(trace, calls, row[unknown])
        found[unknown] = np.where(sure >= 0, sure, found[unknown])
    return _at(calls, found)


def _with_both_ids(trace: Trace, calls: Int64s, row: Int64s) -> Int64s:
    """Indices into `calls` of those with both ids of each of `row`, the nearest before it in time."""
    every = np.concatenate((calls, row))
    _, first = np.unique(trace.correlation[every], return_inverse=True)
    _, second = np.unique(trace.external_id[every], return_inverse=True)
    both = first * (int(second.max(initial=0)) + 1) + second
    ids = Ids(both, np.zeros(len(every), np.int32), trace.start_ns[every])
    return find_ids(ids.at(np.arange(len(calls))), ids.at(np.arange(len(calls), len(every))))


def _by_external_id(trace: Trace, host: HostEvents, work: _Work) -> Int64s:
    """The host event with the work's `External id`, -1 where there is none or the id names no op."""
    if copies_correlation(trace, work.row):
        return np.full(len(work.row), -1, np.int64)
    ops = np.flatnonzero(host.is_op & (host.own_id > 0))
    held = Ids(host.own_id[ops], trace.process_of(host.row[ops]), host.start_ns[ops])
    called = np.where(work.launch >= 0, work.launch, work.row)
    wanted = Ids(trace.external_id[work.row], work.process, trace.start_ns[called])
    return _at(ops, np.where(wanted.id > 0, find_ids(held, wanted), -1))


def _enclosing_op(trace: Trace, host: HostEvents, launch: Int64s) -> Int64s:
    """The innermost op around each launch (a trace row), else the launch itself."""
    index = np.full(len(trace), -1, np.int64)
    index[host.row] = np.arange(len(host))
    own = index[launch]
    op = first_outside(host.tree_parent, ~host.is_op, _at(host.tree_parent, own))
    return np.where(op >= 0, op, own)


def _devices(trace: Trace, row: Int64s, process: Int32s) -> tuple[list[Device], Int32s]:
    """All devices, by process and pid, and the one of each piece of work."""
    pids = {thread.pid: number for number, thread in enumerate(trace.threads)}
    pid_of = np.array([pids[thread.pid] for thread in trace.threads], np.int64)
    n = len(trace.threads)
    code = process.astype(np.int64) * n + pid_of[trace.thread[row]]
    codes, device = np.unique(code, return_inverse=True)
    found = [Device(trace.threads[code % n].pid, code // n) for code in codes.tolist()]
    return found, device.astype(np.int32)


def _at(values: Int64s, index: Int64s) -> Int64s:
    """`values[index]`, -1 where the index is -1."""
    result = np.full(len(index), -1, np.int64)
    inside = index >= 0
    result[inside] = values[index[inside]]
    return result
