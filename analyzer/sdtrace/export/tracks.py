"""What a study found, as events that Perfetto draws: slices on tracks of their own, and a counter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.export.overlaps import find_lanes
from sdtrace.intervals import Int64s, covered
from sdtrace.phases.phases import wall
from sdtrace.phases.timeline import PHASES
from sdtrace.structure.components import Components
from sdtrace.waiting.idle import CAUSES

PROCESS: Final = "sdtrace"
"""The process (`pid`) and category (`cat`) of everything added."""
ITERATIONS: Final = "iterations"
STEPS: Final = "denoising steps"
COMPONENTS: Final = "components (host)"
BLOCKS: Final = "blocks (host)"
IDLE: Final = "GPU idle, by cause"
BUSY: Final = "GPU busy (%)"
_BINS: Final = 4000
_SHORTEST_BIN_NS: Final = 20_000
_FIRST: Final = -1
"""Kineto sorts the host's process by 0 and above."""


class Slice(NamedTuple):
    """A span on a track, in integer nanoseconds since the trace's first event."""

    name: str
    start_ns: int
    dur_ns: int
    args: dict[str, str] | None = None


class Track(NamedTuple):
    """Slices that do not overlap."""

    name: str
    slices: list[Slice]


def added_events(study: Study) -> Iterator[bytes]:
    """The added events as JSON texts: names and order of the tracks, their slices, the counter."""
    yield _encoded({"ph": "M", "name": "process_name", "pid": PROCESS, "args": {"name": PROCESS}})
    yield _encoded({"ph": "M", "name": "process_sort_index", "pid": PROCESS, "args": {"sort_index": _FIRST}})
    origin = study.trace.origin_ns
    for number, track in enumerate(tracks(study)):
        place = {"pid": PROCESS, "tid": track.name}
        yield _encoded({"ph": "M", "name": "thread_sort_index", **place, "args": {"sort_index": number}})
        for item in track.slices:
            yield _slice(item, track.name, origin)
    for start_ns, percent in busy_share(study):
        yield _counter(start_ns + origin, percent)


def tracks(study: Study) -> list[Track]:
    """The tracks that hold anything, in the order in which they are shown."""
    structure, timeline = study.structure, study.phases.timeline
    starts, lengths = timeline.edges[:-1], np.diff(timeline.edges)
    phases = []
    for code, phase in enumerate(PHASES):
        mine = timeline.code == code
        phases.append(Track(f"phase {phase}", _slices(repeat(phase), starts[mine], lengths[mine])))
    steps = structure.steps
    numbered = [f"step {number}" for number in _numbers(structure.iterations.at(steps.start_ns))]
    others = [
        Track(ITERATIONS, _iterations(study)),
        Track(STEPS, _slices(numbered, steps.start_ns, steps.end_ns - steps.start_ns)),
        *_component_tracks(COMPONENTS, structure.components),
        *_component_tracks(BLOCKS, structure.blocks),
        *_idle_tracks(study),
    ]
    return [track for track in (*phases, *others) if track.slices]


def busy_share(study: Study) -> list[tuple[int, float]]:
    """From each instant (nanoseconds) the percentage of the following bin in which devices work, on average.

    Bins are equal and cover the wall; an instant is left out where the share stays the same. Empty
    without device work.
    """
    devices = study.idle.devices
    if not any(busy.start.size for busy in devices.busy):
        return []
    low, high = wall(study.trace)
    width = max(_SHORTEST_BIN_NS, -(-(high - low) // _BINS))
    start = np.arange(low, high, width)
    held = np.sum([covered(busy, start, start + width) for busy in devices.busy], axis=0)
    percent = np.round(100 * held / (width * len(devices)), 2)
    changes = np.append(True, percent[1:] != percent[:-1])
    pairs = zip(start[changes].tolist(), percent[changes].tolist(), strict=True)
    return [*pairs, (int(start[-1]) + width, 0.0)]


def _iterations(study: Study) -> list[Slice]:
    """Iterations with their phase, and what they did on the device."""
    return [
        Slice(
            facts.name,
            facts.start_ns,
            facts.host_wall_ns,
            {
                "phase": label,
                "gpu_ms": f"{facts.gpu_ns / 1e6:.6f}",
                "launches": str(facts.launches),
                "steps": str(facts.steps),
            },
        )
        for facts, label in zip(study.iterations, study.labels, strict=True)
    ]


def _idle_tracks(study: Study) -> list[Track]:
    """Idle time in parts of one cause each, with the op to blame; a track per device."""
    idle, names = study.idle, study.trace.names
    labels = idle.devices.labels
    found = []
    for device, label in enumerate(labels):
        mine = idle.device == device
        columns = (idle.cause, idle.start_ns, idle.lengths, idle.blamed)
        parts = zip(*(column[mine].tolist() for column in columns), strict=True)
        slices = [
            Slice(CAUSES[cause], start, length, {"op": names[blamed]} if blamed >= 0 else None)
            for cause, start, length, blamed in parts
        ]
        title = IDLE if len(labels) == 1 else f"{IDLE}, device {label}"
        found += _side_by_side(title, slices, study.trace.origin_ns)
    return found


def _side_by_side(title: str, slices: list[Slice], origin_ns: int) -> list[Track]:
    """The slices on one track, and on tracks beside it those that lost digits make overlap."""
    start = np.array([item.start_ns for item in slices], np.int64) + origin_ns
    length = np.array([item.dur_ns for item in slices], np.int64)
    lanes = find_lanes(np.zeros(len(slices), np.int64), start, length).tolist()
    return [
        Track(
            title if lane == 0 else f"{title} ({lane + 1})",
            [item for item, mine in zip(slices, lanes, strict=True) if mine == lane],
        )
        for lane in range(max(lanes, default=0) + 1)
    ]


def _component_tracks(title: str, components: Components) -> list[Track]:
    """One track per thread: on a thread, calls do not overlap."""
    threads = np.unique(components.thread).tolist()
    component_tracks = []
    for number in threads:
        mine = components.thread == number
        names = [components.names[code] for code in components.code[mine].tolist()]
        label = title if len(threads) == 1 else f"{title}, thread {number}"
        start, end = components.start_ns[mine], components.end_ns[mine]
        component_tracks.append(Track(label, _slices(names, start, end - start)))
    return component_tracks


def _slices(names: Iterable[str], start_ns: Int64s, dur_ns: Int64s) -> list[Slice]:
    spans = zip(start_ns.tolist(), dur_ns.tolist(), strict=True)
    return [Slice(name, *span) for name, span in zip(names, spans, strict=False)]


def _numbers(group: Int64s) -> Iterator[int]:
    """1, 2, 3, …, from 1 again where the group changes."""
    previous, number = None, 0
    for current in group.tolist():
        number = number + 1 if current == previous else 1
        previous = current
        yield number


def microseconds(ns: int) -> str:
    """Exactly, as a JSON number: the unit of Chrome's format."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // 1000}.{ns % 1000:03d}"


def _slice(item: Slice, track: str, origin_ns: int) -> bytes:
    args = f',"args":{json.dumps(item.args)}' if item.args else ""
    return (
        f'{{"ph":"X","cat":"{PROCESS}","name":{json.dumps(item.name)},"pid":"{PROCESS}",'
        f'"tid":{json.dumps(track)},"ts":{microseconds(item.start_ns + origin_ns)},'
        f'"dur":{microseconds(item.dur_ns)}{args}}}'
    ).encode()


def _counter(ns: int, percent: float) -> bytes:
    return (
        f'{{"ph":"C","name":"{BUSY}","pid":"{PROCESS}","ts":{microseconds(ns)},'
        f'"args":{{"percent":{percent:g}}}}}'
    ).encode()


def _encoded(event: dict[str, object]) -> bytes:
    return json.dumps(event).encode()
