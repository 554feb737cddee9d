"""Iterations: what the trace does again and again, usually one image or one profiler step each."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from sdtrace.attribution.event_selection import (
    COMPILED_REGION,
    busiest_thread,
    named_like,
    of_categories,
    outermost,
    outermost_ops,
)
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s
from sdtrace.structure.repeats import find_repeats

Confidence = Literal["certain", "likely", "guess"]
_PROFILER_STEP: Final = re.compile(r"^ProfilerStep#\d+$")
_NO_ITERATION: Final = re.compile(
    r"^ProfilerStep#|\(dynamo_timed\)$|_data: \w+=|^enumerate\(DataLoader\)|^(?:nccl|gloo|mpi|ucc):"
    r"|^Optimizer\.|^DistributedDataParallel\.|^CUDAGraphNode\.|^PyTorch Profiler"
    r"|^(?:text_encoder\w*|unet|transformer|vae|scheduler|denoise_step)$|" + COMPILED_REGION.pattern
)
_MOST: Final = 0.5
_SOME: Final = 0.1
_REST: Final = 1.2
"""What follows the last repeat belongs to it up to this many times its length."""


@dataclass(frozen=True)
class Iterations:
    """Disjoint spans of host time in order, half-open, int64 nanoseconds; `name` has one per span.

    `how` says in a sentence how they were found, `confidence` how far to trust it.
    """

    name: list[str]
    start_ns: Int64s
    end_ns: Int64s
    how: str
    confidence: Confidence

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def index(self) -> Int64s:
        """Numbers from 0."""
        return np.arange(len(self.start_ns))

    def at(self, points: Int64s) -> Int64s:
        """The iteration of each instant, -1 between iterations."""
        place = np.searchsorted(self.start_ns, points, side="right") - 1
        return np.where((place >= 0) & (points < self.end_ns[np.maximum(place, 0)]), place, -1)


def find_iterations(linked: LinkedTrace) -> Iterations:
    """Find the iterations: marked by the profiler, by the user, by compiled code, else by repetition.

    Always at least one: the whole trace where nothing repeats.
    """
    for finder in (_profiler_steps, _annotations, _compiled_regions, _repetition):
        found = finder(linked)
        if found is not None:
            return found
    start, end = _wall(linked)
    how = "Nothing repeats: the whole trace counts as one iteration."
    return Iterations([linked.trace.label], np.array([start]), np.array([end]), how, "guess")


def _profiler_steps(linked: LinkedTrace) -> Iterations | None:
    """`ProfilerStep#N`; a single one that holds a repeated annotation gives way to it."""
    steps = outermost(linked, named_like(linked, _PROFILER_STEP, {"user_annotation"}))
    if not steps.size or (len(steps) == 1 and _annotations(linked, at_least=2) is not None):
        return None
    return _spans(
        linked, _in_time(linked, steps), "Iterations are the profiler's steps (ProfilerStep#N).", "certain"
    )


def _annotations(linked: LinkedTrace, at_least: int = 1) -> Iterations | None:
    """The outermost annotation of the busiest thread that repeats and takes most time.

    Numbers in names do not matter. One that occurs once counts when it covers most of the trace.
    """
    events = of_categories(linked, np.flatnonzero(linked.host.is_op), {"user_annotation"})
    names = linked.trace.names
    skipped = linked.trace.names_matching(_NO_ITERATION)
    events = events[~skipped[_names(linked, events)]]
    events = outermost(linked, events[linked.host.thread[events] == busiest_thread(linked)])
    group = _longest_group(linked, events, _SOME, at_least)
    if group is None:
        return None
    name = names[int(_names(linked, group[:1])[0])]
    how = f"Iterations are the outermost annotation '{name}'."
    return _spans(linked, group, how, "certain" if len(group) > 1 else "likely")


def _compiled_regions(linked: LinkedTrace) -> Iterations | None:
    """The compiled region that takes most time, or what repeats around a whole number of its calls."""
    events = named_like(linked, COMPILED_REGION, {"user_annotation", "cpu_op"})
    events = outermost(linked, events[linked.host.thread[events] == busiest_thread(linked)])
    group = _longest_group(linked, events, _SOME, 2)
    if group is None:
        return None
    around = _repetition(linked)
    if around is not None and 1 < len(around) < len(group) and len(group) % len(around) == 0:
        calls = len(group) // len(around)
        how = f"Iterations are what repeats in the order of ops: {calls} calls of a compiled graph each."
        return replace(around, how=how, confidence="likely")
    return _spans(linked, group, "Iterations are the calls of the largest compiled graph.", "likely")


def _repetition(linked: LinkedTrace) -> Iterations | None:
    """A period in the order of outermost ops."""
    ops = outermost_ops(linked, busiest_thread(linked))
    found = find_repeats(linked.host.name[ops]) if ops.size else None
    if found is None:
        return None
    start = linked.host.start_ns[ops]
    last = int(found.first[-1]) + found.length
    ends_with_trace = len(ops) <= int(found.first[-1]) + _REST * found.length
    end = _wall(linked)[1] if ends_with_trace else int(start[last])
    first = start[found.first]
    how = (
        f"Nothing marks iterations; {len(first)} repeats were found in the order of ops "
        f"({found.agreement:.0%} of the names agree from one to the next)."
    )
    names = [f"repeat {number}" for number in range(len(first))]
    return Iterations(names, first, np.append(first[1:], end), how, "guess")


def _longest_group(linked: LinkedTrace, events: Int64s, share: float, at_least: int) -> Int64s | None:
    """The events of one name (but for numbers) that take most time, repeated ones first, in order."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for event, name in zip(events.tolist(), _names(linked, events).tolist(), strict=True):
        groups[re.sub(r"\d+", "#", linked.trace.names[name])].append(event)
    start, end = _wall(linked)
    times = {key: int(linked.host.dur_ns[group].sum()) for key, group in groups.items()}
    needed = {key: share if len(group) > 1 else _MOST for key, group in groups.items()}
    fit = [k for k, g in groups.items() if len(g) >= at_least and times[k] > needed[k] * (end - start)]
    if not fit:
        return None
    best = max(fit, key=lambda key: (len(groups[key]) > 1, times[key]))
    return _in_time(linked, np.array(groups[best]))


def _names(linked: LinkedTrace, events: Int64s) -> Int64s:
    """Names by number, `ProfilerStep#N` as it stands in the file."""
    return linked.trace.name[linked.host.row[events]].astype(np.int64)


def _in_time(linked: LinkedTrace, events: Int64s) -> Int64s:
    """In the order of time; of overlapping spans on several threads the first."""
    events = events[np.lexsort((-linked.host.dur_ns[events], linked.host.start_ns[events]))]
    start = linked.host.start_ns[events]
    reach = np.maximum.accumulate(start + linked.host.dur_ns[events])
    kept: Int64s = events[np.append(True, start[1:] >= reach[:-1])]
    return kept


def _spans(linked: LinkedTrace, events: Int64s, how: str, confidence: Confidence) -> Iterations:
    start = linked.host.start_ns[events]
    names = [linked.trace.names[number] for number in _names(linked, events).tolist()]
    return Iterations(names, start, start + linked.host.dur_ns[events], how, confidence)


def _wall(linked: LinkedTrace) -> tuple[int, int]:
    """First start and last end of everything on host and device; (0, 0) in an empty trace."""
    rows = np.concatenate((linked.host.row, linked.work.row))
    if not rows.size:
        return 0, 0
    return int(linked.trace.start_ns[rows].min()), int(linked.trace.end_ns[rows].max())
