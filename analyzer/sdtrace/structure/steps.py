"""Denoising steps: what an iteration does again and again inside."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, contains_any
from sdtrace.structure.call_groups import calls_of_steps
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.component_names import GROUP_NORM
from sdtrace.structure.components import Components
from sdtrace.structure.decodes import decode_stages, looks_like_denoiser
from sdtrace.structure.denoiser_calls import (
    Calls,
    all_compiled_calls,
    are_parts,
    compiled_calls,
    graph_launches,
    in_pairs,
    marked_calls,
    step_marks,
)
from sdtrace.structure.evaluations import evaluations
from sdtrace.structure.iterations import Confidence, Iterations
from sdtrace.structure.repeats import find_repeats
from sdtrace.structure.time_steps import lone_call
from sdtrace.structure.training import is_training
from sdtrace.structure.work import Work

_MAX_SEARCHED: Final = 64
"""Iterations in which a repetition is searched for."""
_BETWEEN: Final = 3
"""How many times the usual work between two calls tells one step from the next."""
_GROUPS: Final = {2: "pairs of ", 3: "threes of "}
_MAYBE_PAIRS: Final = (
    " These are denoiser calls, two of which may be a step: other scheduler ops follow every second one."
)
_SCHEDULER: Final = 3
"""Ops of a scheduler, at least."""
_LAYER: Final = re.compile(r"^aten::(?:\w*conv\w*|linear|\w*mm|\w*norm)$")
_EQUAL: Final = 0.8
_BLOCKS: Final = 0.03
"""Share of a call's work that lies between the calls of two steps, at least."""


@dataclass(frozen=True)
class Steps:
    """Host spans of denoising steps in order, int64 nanoseconds; all on thread `thread`.

    `how` and `confidence` as for iterations; `how` is '' when there are none.
    """

    start_ns: Int64s
    end_ns: Int64s
    thread: int
    how: str
    confidence: Confidence

    def __len__(self) -> int:
        return len(self.start_ns)

    def counts(self, iterations: Iterations) -> Int64s:
        """How many steps begin in each iteration."""
        return sum_by(iterations.at(self.start_ns), np.ones(len(self), np.int64), len(iterations))

    def within(self, iterations: Iterations) -> tuple[Int64s, Int64s]:
        """For each step the iteration it begins in, -1 for none, and its place there, counted from 0."""
        place = iterations.at(self.start_ns)
        opens = np.flatnonzero(np.append(True, np.diff(place) != 0)[: len(place)])
        first = np.repeat(opens, np.diff(np.append(opens, len(place))))
        return place, np.arange(len(place)) - first


def find_steps(
    linked: LinkedTrace,
    ops: OpSequence,
    iterations: Iterations,
    marked: Components,
    timed: Calls | None,
    work: Work,
) -> Steps:
    """Find the steps: marked as such, else calls of the denoiser, of a repeated graph, else by repetition.

    Unmarked steps are looked for only where time steps are embedded (`timed`), something normalizes by
    group or an image decoder was seen: other models repeat graphs and layers too. Training denoises
    nothing. Two calls with less between them than between pairs of them are guidance, one step.
    """
    thread = ops.thread
    sure = step_marks(linked, is_diffusion=False)
    if sure is not None:
        return _of_calls(sure, "Denoising steps are annotations.")
    calls = marked_calls(marked)
    if calls is not None:
        together = in_pairs(calls, marked) or calls_of_steps(linked, calls, ops, iterations)
        return _of_evaluations(linked, calls, together, ops, iterations, "Denoising steps are ", "the ")
    decodes = decode_stages(linked, ops)
    may_denoise = timed is not None or decodes.start.size or _normalizes_by_group(linked)
    if not may_denoise or is_training(linked):
        return _none(thread)
    once = (*compiled_calls(linked, thread, work), *graph_launches(linked, thread))
    found = (
        _runs_of_blocks(linked, ops, iterations, all_compiled_calls(linked, thread), decodes, work)
        or _repeated_calls(linked, ops, iterations, decodes, once)
        or _timed_steps(linked, timed, ops, iterations, decodes)
        or _lone_step(linked, ops, decodes)
        or _repetition(linked, iterations, ops, decodes)
    )
    marks = step_marks(linked, is_diffusion=True)
    # A mark that holds several steps is one of the loop over them.
    if marks is not None and (found is None or len(found) < 2 * len(marks)):
        return _of_calls(marks, f"Denoising steps are the {marks.what}.")
    return _none(thread) if found is None else found


def _none(thread: int) -> Steps:
    empty = np.zeros(0, np.int64)
    return Steps(empty, empty, thread, "", "guess")


def _of_calls(calls: Calls, how: str) -> Steps:
    return Steps(calls.start_ns, calls.end_ns, calls.thread, how, calls.confidence)


def _normalizes_by_group(linked: LinkedTrace) -> bool:
    """Whether device work does, or ops where there is none."""
    normal = [number for number, name in enumerate(linked.trace.names) if GROUP_NORM.search(name)]
    rows = linked.work.row if len(linked.work.row) else linked.host.row
    return bool(normal) and bool(np.isin(linked.trace.name[rows], normal).any())


def _of_evaluations(  # all that a sentence about them needs
    linked: LinkedTrace,
    calls: Calls,
    together: Calls | None,
    ops: OpSequence,
    iterations: Iterations,
    told: str,
    article: str = "",
) -> Steps:
    """Steps of one call each, or of several that guidance or the sampler makes together."""
    kind, found = evaluations(linked, together or calls, ops, iterations)
    how = f"{told}{_how_many(found, calls) or article}{calls.what}."
    steps = _of_calls(found, how + _MAYBE_PAIRS if kind == "maybe" else how)
    return replace(steps, confidence="guess") if kind == "maybe" else steps


def _how_many(together: Calls, calls: Calls) -> str:
    """`pairs of `, `threes of ` or `runs of 4 ` calls, '' where each is a step; the last may be of fewer."""
    size = math.ceil(len(calls) / len(together))
    if size == 1:
        return ""
    return _GROUPS.get(size, f"runs of {size} ")


def _timed_steps(
    linked: LinkedTrace, timed: Calls | None, ops: OpSequence, iterations: Iterations, decodes: Intervals
) -> Steps | None:
    """From one embedding of a time step to the next, a decode or the end.

    The last one of an iteration is as long as the longest, but holds no op that the others have not.
    """
    if timed is None:
        return None
    together = calls_of_steps(linked, timed, ops, iterations)
    told = "Nothing marks denoising steps; they are "
    calls = _of_evaluations(linked, timed, together, ops, iterations, told)
    place = iterations.at(calls.start_ns)
    if np.median(np.bincount(place[place >= 0], minlength=len(iterations))) < 1:
        return None
    limits = np.sort(np.concatenate((decodes.start, iterations.end_ns, ops.end_ns[-1:])))
    limit = limits[np.minimum(np.searchsorted(limits, calls.start_ns, "right"), len(limits) - 1)]
    follow = np.append(calls.start_ns[1:], np.iinfo(np.int64).max)
    first, stop = np.searchsorted(ops.start_ns, (calls.start_ns, np.minimum(follow, limit)))
    length = stop - first
    is_followed = follow <= limit
    longest = np.minimum(length, length[is_followed].max(initial=length.min()))
    length = np.where(is_followed, length, np.minimum(longest, _until_others(ops, first, stop, is_followed)))
    end = np.where(is_followed, follow, ops.end_ns[np.maximum(first + length, 1) - 1])
    return replace(calls, end_ns=np.maximum(end, calls.start_ns))


def _until_others(ops: OpSequence, first: Int64s, stop: Int64s, is_told: Bools) -> Int64s:
    """How many ops from `first` on are of kinds that steps with a told `stop` have, else all."""
    edges = np.zeros(len(ops) + 1, np.int64)
    np.add.at(edges, first[is_told], 1)
    np.add.at(edges, stop[is_told], -1)
    is_known = np.isin(ops.name, ops.name[np.cumsum(edges[:-1]) > 0])
    others = np.append(np.flatnonzero(~is_known & is_told.any()), len(ops))
    until: Int64s = others[np.searchsorted(others, first)] - first
    return until


def _lone_step(linked: LinkedTrace, ops: OpSequence, decodes: Intervals) -> Steps | None:
    call = lone_call(linked, ops, decodes)
    return _of_calls(call, f"Nothing marks denoising steps; there is one: {call.what}.") if call else None


def _repeated_calls(
    linked: LinkedTrace, ops: OpSequence, iterations: Iterations, decodes: Intervals, found: Iterable[Calls]
) -> Steps | None:
    """The heaviest of the calls that most iterations repeat, but for parts of a network."""
    for calls in found:
        place = iterations.at(calls.start_ns)
        counts = np.bincount(place[place >= 0], minlength=len(iterations))
        if np.median(counts) >= 2:  # what occurs once is no step
            together = calls_of_steps(linked, calls, ops, iterations)
            if together is None and are_parts(linked, ops, calls, decodes):
                continue
            return _of_evaluations(linked, calls, together, ops, iterations, "Denoising steps are ", "the ")
    return None


def _runs_of_blocks(  # all that may lie between calls
    linked: LinkedTrace,
    ops: OpSequence,
    iterations: Iterations,
    calls: Calls | None,
    decodes: Intervals,
    work: Work,
) -> Steps | None:
    """Equal runs of compiled calls with other work between, each call being a block of the denoiser.

    Calls between which a scheduler runs are steps, though only a preview after some of them is much work.
    """
    if calls is None or len(calls) < 4:  # two runs of two
        return None
    place = iterations.at(calls.start_ns)
    between = work.between(calls.end_ns[:-1], calls.start_ns[1:])
    of_call = float(np.median(work.between(calls.start_ns, calls.end_ns)))
    is_far = between > max(_BETWEEN * float(np.median(between)), _BLOCKS * of_call)
    is_decoded = contains_any(decodes.start, calls.end_ns[:-1], calls.start_ns[1:])
    near = np.flatnonzero(~is_far)
    if is_decoded[is_far].all() and _schedules(linked, ops, calls.end_ns[near], calls.start_ns[near + 1]):
        return None
    first = np.flatnonzero(np.append(True, is_far | (np.diff(place) != 0)))
    sizes = np.diff(np.append(first, len(calls)))
    usual = int(np.median(sizes))
    counts = np.bincount(place[first][place[first] >= 0], minlength=len(iterations))
    if usual < 2 or np.mean(sizes == usual) < _EQUAL or np.median(counts) < 2:  # as above
        return None
    how = f"Denoising steps are runs of {usual} {calls.what}."
    last = np.append(first[1:], len(calls)) - 1
    return Steps(calls.start_ns[first], calls.end_ns[last], calls.thread, how, "likely")


def _schedules(linked: LinkedTrace, ops: OpSequence, begin: Int64s, end: Int64s) -> bool:
    """Whether most spans hold the ops of a scheduler and none of a network."""
    bounds = np.searchsorted(ops.start_ns, np.stack((begin, end)))
    layers = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(_LAYER))))[bounds]
    found = (np.diff(bounds, axis=0) >= _SCHEDULER) & (np.diff(layers, axis=0) == 0)
    return bool(found.size) and bool(np.mean(found) > 0.5)  # most


def _repetition(
    linked: LinkedTrace, iterations: Iterations, ops: OpSequence, decodes: Intervals
) -> Steps | None:
    """Repeats in the order of an iteration's ops that look like a denoiser.

    That is: attention and the embedding of a time step in each. Repeated layers of other models do not
    pass for steps.
    """
    starts, stops, place = _searched(iterations, decodes)
    spans = zip(starts.tolist(), stops.tolist(), strict=True)
    parts = [_repeats_in(linked, ops, ops.between(*span)) for span in spans]
    found = [part for part in parts if part is not None]
    held = {number for number, part in zip(place.tolist(), parts, strict=True) if part is not None}
    if not found or 2 * len(held) < len(set(place.tolist())):
        return None
    start, end = (np.concatenate(column) for column in zip(*found, strict=True))
    how = "Nothing marks denoising steps; they are what repeats in the order of ops."
    return Steps(start, end, ops.thread, how, "guess")


def _searched(iterations: Iterations, decodes: Intervals) -> tuple[Int64s, Int64s, Int64s]:
    """Spans without an image decoder in the last iterations: starts, ends, and which iteration each is of."""
    kept = slice(max(0, len(iterations) - _MAX_SEARCHED), None)
    start = np.sort(np.append(iterations.start_ns[kept], decodes.end))
    place = iterations.at(start)
    start, place = start[place >= 0], place[place >= 0]
    upcoming = np.append(decodes.start, np.iinfo(np.int64).max)[np.searchsorted(decodes.start, start)]
    return start, np.minimum(iterations.end_ns[place], upcoming), place


def _repeats_in(linked: LinkedTrace, ops: OpSequence, inside: slice) -> tuple[Int64s, Int64s] | None:
    """Starts and ends of the repeats among the ops `inside`, the last as long as the median one."""
    names = linked.trace.names
    place = np.arange(len(ops))[inside]
    place = place[~_is_moving(linked, ops.name[place])]
    name = ops.name[place]
    repeats = find_repeats(name.astype(np.int32)) if name.size else None
    if repeats is None:
        return None
    first = repeats.first
    last = min(int(first[-1]) + repeats.length, len(name)) - 1
    if not looks_like_denoiser({names[number] for number in set(name[first[0] : first[1]].tolist())}):
        return None
    start = ops.start_ns[place[first]]
    return start, np.append(start[1:], ops.end_ns[place[last]])


def _is_moving(linked: LinkedTrace, name: Int64s) -> Bools:
    """Ops that only move weights, two for each parameter of `Module.to`; the first `to` of a run is none."""
    names = linked.trace.names
    checks = np.array([text == "aten::_has_compatible_shallow_copy_type" for text in names], np.bool_)[name]
    is_to = np.array([text == "aten::to" for text in names], np.bool_)[name]
    follows = np.append(False, (is_to | checks)[:-1])[: len(name)]
    moving: Bools = checks | (is_to & follows)
    return moving
