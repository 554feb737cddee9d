"""Candidates that somebody marked: the profiler's steps, annotations, calls of compiled code."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION, named_like, of_categories, outermost
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s
from sdtrace.structure.candidates import Candidate, names_of, of_events, wall
from sdtrace.structure.component_names import ANNOTATIONS, OURS
from sdtrace.structure.denoiser_calls import STEP_MARK, SURE_STEP
from sdtrace.structure.iterations import Confidence, Iterations
from sdtrace.structure.work import Work

MARKS: Final = frozenset({"user_annotation", "cpu_op"})
"""Before torch 1.11 annotations bore the category of ops."""
_PROFILER_STEP: Final = re.compile(r"^ProfilerStep#\d+$")
_NO_ITERATION: Final = re.compile(
    r"^ProfilerStep#|\(dynamo_timed\)$|_data: \w+=|^enumerate\(DataLoader\)"
    r"|^(?:nccl|gloo|mpi|ucc|xccl|hccl|rccl):|^Optimizer\.|^DistributedDataParallel\.|^FullyShardedDataParallel\.|^FSDP::|^CUDAGraphNode\."
    r"|^PyTorch Profiler|" + COMPILED_REGION.pattern
)
_NUMBER: Final = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{4,}\b|\d+")
"""Numbers, and the hexadecimal ones of requests."""
_RECORDED: Final = re.compile(r"^model_inference$")
_AS_RECORDED: Final = "Iterations are the annotation 'model_inference'."
_LONE: Final = 0.5
"""Share of the trace that an annotation must cover when it occurs once."""
_SOME: Final = 0.1


def profiler_steps(linked: LinkedTrace) -> Candidate | None:
    """`ProfilerStep#N`."""
    steps = outermost(linked, named_like(linked, _PROFILER_STEP, set(MARKS)))
    if not steps.size:
        return None
    how = "Iterations are the profiler's steps (ProfilerStep#N)."
    return of_events(linked, steps, "profiler_step", how, "profiler steps (ProfilerStep#N)", "certain")


def recorded_iterations(linked: LinkedTrace) -> Iterations | None:
    """The calls that our collector timed, in a trace that it made: its walls are of these and nothing else.

    Work between them, such as a decode that a script does by itself, belongs to none.
    """
    if not linked.trace.run:
        return None
    calls = outermost(linked, named_like(linked, _RECORDED, {"user_annotation"}))
    if not calls.size:
        return None
    found = of_events(linked, calls, "annotation", _AS_RECORDED, "", "certain")
    return Iterations(found.names, found.start_ns, found.end_ns, found.how, found.confidence, found.is_whole)


def annotated_spans(linked: LinkedTrace, work: Work, *, is_diffusion: bool) -> list[Candidate]:
    """Annotations that name no component and no denoising step, a candidate for each name.

    Numbers in names do not matter. They count when they cover enough of the trace's time or of its work:
    of the time they cover little where the host runs far ahead of the device. Where annotations of several
    names follow each other in turn, each turn is a candidate as well.
    """
    groups = _groups(linked, STEP_MARK if is_diffusion else SURE_STEP)
    start, end = wall(linked)
    found = []
    for events in groups:
        begin, duration = linked.host.start_ns[events], linked.host.dur_ns[events]
        of_work = int(work.between(begin, begin + duration).sum()) / max(1, work.total_ns)
        share = max(int(duration.sum()) / max(1, end - start), of_work)
        if share > (_SOME if len(events) > 1 else _LONE):
            found.append(_annotation(linked, events, _side_by_side(linked, events, groups)))
    turns = _turns(linked, groups)
    return found if turns is None else [*found, turns]


def _annotation(linked: LinkedTrace, events: Int64s, threads: int) -> Candidate:
    """Spans of one annotation; `threads` run it side by side, and these are of one of them."""
    name = names_of(linked, events[:1])[0]
    how = f"Iterations are the annotation '{name}'"
    if threads > 1:
        how += f" of one thread; {threads} threads run it at the same time"
    confidence: Confidence = "certain" if len(events) > 1 else "likely"
    what = f"spans of the annotation '{name}'"
    found = of_events(linked, events, "annotation", f"{how}.", what, "guess" if threads > 1 else confidence)
    return replace(found, marks=(name,), is_doubtful=threads > 1)


def _side_by_side(linked: LinkedTrace, events: Int64s, groups: list[Int64s]) -> int:
    """How many threads run this annotation while one does: 1 where hardly any of its spans meet another."""
    host = linked.host
    start, end = host.start_ns[events], host.start_ns[events] + host.dur_ns[events]
    name, meets, threads = host.name[events[0]], np.zeros(len(events), np.bool_), 1
    for other in groups:
        if host.name[other[0]] != name or host.thread[other[0]] == host.thread[events[0]]:
            continue
        begun = np.searchsorted(host.start_ns[other], end)
        done = np.searchsorted(host.start_ns[other] + host.dur_ns[other], start, "right")
        meets |= begun > done
        threads += bool((begun > done).any())
    return threads if 2 * meets.sum() > len(events) else 1


def _groups(linked: LinkedTrace, step: re.Pattern[str]) -> list[Int64s]:
    """Annotations (indices) by thread and name but for numbers, the outermost of each group."""
    events = of_categories(linked, np.flatnonzero(linked.host.is_op), {"user_annotation"})
    number = linked.trace.name[linked.host.row[events]]
    keys: dict[int, str | None] = {
        name: _key(linked.trace.names[name], step) for name in np.unique(number).tolist()
    }
    groups: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    threads = linked.host.thread[events].tolist()
    for event, name, thread in zip(events.tolist(), number.tolist(), threads, strict=True):
        key = keys[name]
        if key is not None:
            groups[thread, key].append(event)
    return [outermost(linked, np.array(group, np.int64)) for group in groups.values()]


def _key(name: str, step: re.Pattern[str]) -> str | None:
    """The name without numbers; None when it marks no iteration."""
    if _NO_ITERATION.search(name) or step.search(name):
        return None
    if any(pattern.search(name) for _, pattern in (*OURS, *ANNOTATIONS)):
        return None
    return _NUMBER.sub("#", name)


def _turns(linked: LinkedTrace, groups: list[Int64s]) -> Candidate | None:
    """Annotations of several names that follow each other in turn, such as forward, backward, optimizer."""
    many = [group for group in groups if len(group) > 1]
    if len(many) < 2:  # a turn needs two names
        return None
    starts = linked.host.start_ns
    size = Counter(len(group) for group in many).most_common(1)[0][0]
    turning = [starts[group] for group in many if len(group) == size]
    first = min(turning, key=lambda times: int(times[0]))
    edges = np.append(first, np.iinfo(np.int64).max)
    kept = [
        group
        for group in many
        if len(group) == size and bool(np.all((starts[group] >= edges[:-1]) & (starts[group] < edges[1:])))
    ]
    if len(kept) < 2:  # as above
        return None
    ends = np.max([starts[group] + linked.host.dur_ns[group] for group in kept], axis=0)
    end = np.minimum(ends, np.append(first[1:], ends[-1]))
    marks = tuple(names_of(linked, group[:1])[0] for group in kept[:4])
    how = f"Iterations are turns of the annotations {', '.join(map(repr, marks))}."
    whole = np.ones(size, np.bool_)
    labels = [f"turn {number}" for number in range(size)]
    return Candidate(
        "annotation_cycle", labels, first, end, whole, how, "turns of annotations", "likely", marks
    )
