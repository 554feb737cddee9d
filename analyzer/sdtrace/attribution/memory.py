"""Memory columns of the op table, from the `[memory]` events of `profile_memory`."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.host import HostEvents, sum_by
from sdtrace.attribution.nesting import Int64s
from sdtrace.trace import Trace

_HOST_DEVICES: Final = (0, 2, 5)
"""CPU, MKLDNN and IDEEP in torch's `DeviceType`."""
ACCELERATORS: Final = (1, 6, 12, 20)
"""CUDA, HIP, XPU and PrivateUse1."""


class MemoryUse(NamedTuple):
    """Bytes allocated less bytes freed during each host event, and by it alone."""

    cpu: Int64s
    self_cpu: Int64s
    device: Int64s
    self_device: Int64s


class UnclaimedMemory(NamedTuple):
    """Allocations and frees outside every host event: torch's row `[memory]`."""

    calls: int
    first_ns: int
    cpu_bytes: int
    device_bytes: int


def memory_use(trace: Trace, host: HostEvents) -> MemoryUse:
    """As torch counts: an event is charged with all that happens while it lasts, on any thread."""
    times = trace.memory.time_ns
    first = np.searchsorted(times, host.start_ns, "left")
    last = np.searchsorted(times, host.start_ns + host.dur_ns, "right")
    cpu, device = (
        np.append(0, np.cumsum(np.where(np.isin(trace.memory.device_type, kinds), trace.memory.nbytes, 0)))
        for kinds in (_HOST_DEVICES, ACCELERATORS)
    )
    during_cpu, during_device = cpu[last] - cpu[first], device[last] - device[first]
    return MemoryUse(
        during_cpu,
        during_cpu - sum_by(host.parent, during_cpu, len(host)),
        during_device,
        during_device - sum_by(host.parent, during_device, len(host)),
    )


def unclaimed_memory(trace: Trace, host: HostEvents) -> UnclaimedMemory:
    """What no host event covers."""
    times = trace.memory.time_ns
    edges = np.zeros(len(times) + 1, np.int64)
    np.add.at(edges, np.searchsorted(times, host.start_ns, "left"), 1)
    np.add.at(edges, np.searchsorted(times, host.start_ns + host.dur_ns, "right"), -1)
    free = np.cumsum(edges)[:-1] == 0
    kinds, nbytes = trace.memory.device_type, trace.memory.nbytes
    return UnclaimedMemory(
        int(free.sum()),
        int(times[free][0]) if free.any() else 0,
        int(nbytes[free & np.isin(kinds, _HOST_DEVICES)].sum()),
        int(nbytes[free & np.isin(kinds, ACCELERATORS)].sum()),
    )
