"""Device memory over time, and what held it when it was most; for traces with `profile_memory`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.memory import ACCELERATORS
from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.intervals import Int64s

BINS: Final = 600
_MOST_CLIMBED: Final = 200
NO_OP: Final = "(no op)"


class Held(NamedTuple):
    """Blocks that were live at the peak, by the component and the outermost op that allocated them."""

    component: str
    op: str
    nbytes: int
    blocks: int


@dataclass(frozen=True)
class MemoryUse:
    """One device. `most` is the most allocated in each of `BINS` equal parts of the time from `start_ns`.

    `before` is what was allocated before the profile began and still held at the peak, or is not known: the
    rest of `peak`.
    """

    device: int
    start_ns: int
    end_ns: int
    most: Int64s
    peak: int
    peak_ns: int
    before: int
    held: list[Held]


def memory_of(study: Study) -> MemoryUse | None:
    """The device that holds most; None for a trace without allocations on a device, or without addresses."""
    memory = study.trace.memory
    on_device = np.flatnonzero(np.isin(memory.device_type, ACCELERATORS) & (memory.address != 0))
    if not on_device.size:
        return None
    device = int(memory.device_id[on_device[memory.total_allocated[on_device].argmax()]])
    mine = on_device[memory.device_id[on_device] == device]
    time_ns, total = memory.time_ns[mine], memory.total_allocated[mine]
    top = int(total.argmax())
    held = _held(study, mine[: top + 1])
    start, end = int(time_ns[0]), int(time_ns[-1])
    return MemoryUse(
        device=device,
        start_ns=start,
        end_ns=end,
        most=_most(time_ns, total, start, end),
        peak=int(total[top]),
        peak_ns=int(time_ns[top]),
        before=max(0, int(total[top]) - sum(each.nbytes for each in held)),
        held=held,
    )


def _most(time_ns: Int64s, total: Int64s, start: int, end: int) -> Int64s:
    """The most allocated in each bin; what was held at its start counts too."""
    edges = np.linspace(start, end, BINS + 1)
    place = np.clip(np.searchsorted(edges, time_ns, side="right") - 1, 0, BINS - 1)
    most = np.zeros(BINS, np.int64)
    np.maximum.at(most, place, total)
    last = np.searchsorted(time_ns, edges[:-1], side="right") - 1
    result: Int64s = np.maximum(most, total[np.maximum(last, 0)])
    return result


def _held(study: Study, until: Int64s) -> list[Held]:
    """What the allocations `until` the peak left live: those that are the last at their address."""
    memory, structure = study.trace.memory, study.structure
    backwards = until[::-1]
    _, last = np.unique(memory.address[backwards], return_index=True)
    live = backwards[last]
    live = np.sort(live[memory.nbytes[live] > 0])
    thread = _threads(study, live)
    component = structure.components.at(memory.time_ns[live], thread)
    names = [*structure.components.names, OUTSIDE]
    sums: dict[tuple[str, str], list[int]] = {}
    ops = _ops(study, memory.time_ns[live], thread)
    for number, op, nbytes in zip(component.tolist(), ops, memory.nbytes[live].tolist(), strict=True):
        entry = sums.setdefault((names[number], op), [0, 0])
        entry[0] += nbytes
        entry[1] += 1
    rows = [Held(*key, *entry) for key, entry in sums.items()]
    return sorted(rows, key=lambda row: (-row.nbytes, row.component, row.op))


def _threads(study: Study, events: Int64s) -> Int64s:
    """The number of the thread of each allocation, -1 where the trace has none of its id."""
    numbers = {str(thread.tid): number for number, thread in reversed(list(enumerate(study.trace.threads)))}
    return np.array([numbers.get(str(study.trace.memory.tid[at]), -1) for at in events.tolist()], np.int64)


def _ops(study: Study, time_ns: Int64s, thread: Int64s) -> list[str]:
    """The outermost op around each instant on its thread."""
    host, names = study.linked.host, study.trace.names
    is_op = study.trace.in_categories({"cpu_op"})[host.row]
    found = np.full(len(time_ns), -1, np.int64)
    for number in np.unique(thread[thread >= 0]).tolist():
        own = np.flatnonzero(host.thread == number)
        mine = np.flatnonzero(thread == number)
        place = np.searchsorted(host.start_ns[own], time_ns[mine], side="right") - 1
        at = np.where(place >= 0, own[np.maximum(place, 0)], -1) if own.size else np.full(len(mine), -1)
        for _ in range(_MOST_CLIMBED):
            inside = at >= 0
            holds = inside & (host.start_ns[at] + host.dur_ns[at] > time_ns[mine]) & is_op[at]
            found[mine[holds]] = at[holds]
            at = np.where(inside, host.tree_parent[at], -1)
            if not inside.any():
                break
    return [names[host.name[at]] if at >= 0 else NO_OP for at in found.tolist()]
