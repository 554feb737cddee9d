"""Which op launched which piece of device work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.host import HostEvents, last_with_id
from sdtrace.attribution.nesting import Int64s
from sdtrace.reader.categories import LAUNCHES, WORK
from sdtrace.trace import Trace

_MOST: Final = 0.9


@dataclass(frozen=True)
class DeviceWork:
    """Kernels, copies and fills; arrays of one length, in the order of the file.

    `row` is the place in the trace. `launch` is the trace row of the runtime or driver call that
    launched it, `op` the host event (index into `HostEvents`) it counts for; -1 where the trace does
    not tell.
    """

    row: Int64s
    launch: Int64s
    op: Int64s


def link_device_work(trace: Trace, host: HostEvents) -> DeviceWork:
    """Find the launch and the op of every piece of device work.

    `External id` names the op directly. Where it is missing, or is only a copy of the correlation (as
    before 2024-02), the correlation finds the launch, and the op that encloses it is the one. Work of
    a launch outside any op counts for the launch itself.
    """
    row = trace.rows(WORK)
    launches = trace.rows(LAUNCHES)
    launches = launches[trace.correlation[launches] > 0]
    correlation = trace.correlation[row]
    found = last_with_id(trace.correlation[launches], correlation)
    launch = np.where((found >= 0) & (correlation > 0), _at(launches, found), -1)
    op = _by_external_id(trace, host, row)
    missing = np.flatnonzero((op < 0) & (launch >= 0))
    op[missing] = _enclosing_op(trace, host, launch[missing])
    return DeviceWork(row, launch, op)


def has_own_external_ids(trace: Trace, row: Int64s) -> bool:
    """Whether `External id` of device events names ops, and is not a copy of their correlation."""
    external, correlation = trace.external_id[row], trace.correlation[row]
    given = external > 0
    return not given.any() or float(np.mean(external[given] == correlation[given])) < _MOST


def _by_external_id(trace: Trace, host: HostEvents, row: Int64s) -> Int64s:
    if not has_own_external_ids(trace, row):
        return np.full(len(row), -1, np.int64)
    ops = np.flatnonzero(host.is_op & (host.own_id > 0))
    found = last_with_id(host.own_id[ops], trace.external_id[row])
    return np.where(found >= 0, _at(ops, found), -1)


def _enclosing_op(trace: Trace, host: HostEvents, launch: Int64s) -> Int64s:
    """The innermost op around each launch (a trace row), else the launch itself."""
    index = np.full(len(trace), -1, np.int64)
    index[host.row] = np.arange(len(host))
    own = index[launch]
    op = _at(host.tree_parent, own)
    while (outside := np.flatnonzero(op >= 0)[~host.is_op[op[op >= 0]]]).size:
        op[outside] = host.tree_parent[op[outside]]
    return np.where(op >= 0, op, own)


def _at(values: Int64s, index: Int64s) -> Int64s:
    """`values[index]`, -1 where the index is -1."""
    result = np.full(len(index), -1, np.int64)
    inside = index >= 0
    result[inside] = values[index[inside]]
    return result
