"""Denoising steps: what an iteration does again and again inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import (
    COMPILED_REGION,
    busiest_thread,
    named_like,
    outermost,
    outermost_ops,
)
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s
from sdtrace.structure.component_names import DENOISERS, GROUP_NORM
from sdtrace.structure.components import Components
from sdtrace.structure.iterations import Confidence, Iterations
from sdtrace.structure.repeats import find_repeats

_STEP: Final = re.compile(r"^(?:denois(?:e|ing)|diffusion)_?step\b", re.IGNORECASE)
_GRAPH_LAUNCH: Final = re.compile(r"^(?:cuda|cu|hip)GraphLaunch")
_ATTENTION: Final = re.compile(r"scaled_dot_product|^aten::(?:softmax|baddbmm)$|attention", re.IGNORECASE)
_MAX_SEARCHED: Final = 64
"""Iterations in which a repetition is searched for."""


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


def find_steps(linked: LinkedTrace, iterations: Iterations, marked: Components) -> Steps:
    """Find the steps: marked as such, else calls of the denoiser, of a repeated graph, else by repetition.

    Unmarked steps are looked for only where some kernel normalizes by group, as every image decoder in
    use does: other models repeat graphs and layers too.
    """
    thread = busiest_thread(linked)
    events = outermost(linked, named_like(linked, _STEP, {"user_annotation"}))
    if events.size:
        return _of_events(linked, events, "Denoising steps are annotations.", "certain")
    calls = marked.only(DENOISERS)
    if len(calls):
        order = np.argsort(calls.start_ns, kind="stable")
        how = f"Denoising steps are the calls of the {marked.names[calls.code[0]]}."
        return Steps(calls.start_ns[order], calls.end_ns[order], int(calls.thread[0]), how, marked.confidence)
    finders = (_compiled_graph, _graph_launches, _repetition) if _may_be_diffusion(linked) else ()
    for finder in finders:
        found = finder(linked, iterations, thread)
        if found is not None:
            return found
    empty = np.zeros(0, np.int64)
    return Steps(empty, empty, thread, "", "guess")


def _may_be_diffusion(linked: LinkedTrace) -> bool:
    normal = [number for number, name in enumerate(linked.trace.names) if GROUP_NORM.search(name)]
    return bool(normal) and bool(np.isin(linked.trace.name[linked.work.row], normal).any())


def _compiled_graph(linked: LinkedTrace, iterations: Iterations, thread: int) -> Steps | None:
    """The compiled graph with most host time among those called repeatedly in each iteration."""
    events = named_like(linked, COMPILED_REGION, {"user_annotation", "cpu_op"})
    events = outermost(linked, events[linked.host.thread[events] == thread])
    best = _largest_repeated(
        linked, iterations, events, linked.host.name[events].astype(np.int64), linked.host.dur_ns[events]
    )
    if best is None:
        return None
    return _of_events(
        linked, best, "Denoising steps are calls of the largest repeated compiled graph.", "likely"
    )


def _graph_launches(linked: LinkedTrace, iterations: Iterations, thread: int) -> Steps | None:
    """CUDA-graph launches, told apart by how many kernels they hold."""
    events = named_like(linked, _GRAPH_LAUNCH, {"cuda_runtime", "cuda_driver"})
    events = events[linked.host.thread[events] == thread]
    work, trace = linked.work, linked.trace
    kernels = sum_by(work.launch, np.ones(len(work.row), np.int64), len(trace))[linked.host.row[events]]
    busy = sum_by(work.launch, trace.dur_ns[work.row], len(trace))[linked.host.row[events]]
    best = _largest_repeated(linked, iterations, events, kernels, busy)
    if best is None:
        return None
    return _of_events(
        linked, best, "Denoising steps are launches of the largest repeated CUDA graph.", "likely"
    )


def _largest_repeated(
    linked: LinkedTrace, iterations: Iterations, events: Int64s, group: Int64s, weight: Int64s
) -> Int64s | None:
    """Of the groups with two and more events in the median iteration the one with most weight."""
    place = iterations.at(linked.host.start_ns[events])
    best: tuple[int, Int64s] | None = None
    for key in np.unique(group).tolist():
        mine = (group == key) & (place >= 0)
        per_iteration = np.bincount(place[mine], minlength=len(iterations))
        heavy = int(weight[mine].sum())
        if np.median(per_iteration) >= 2 and (best is None or heavy > best[0]):
            best = heavy, events[mine]
    return None if best is None else best[1]


def _repetition(linked: LinkedTrace, iterations: Iterations, thread: int) -> Steps | None:
    """Three and more repeats in the order of an iteration's ops that look like a denoiser.

    That is: convolution, group normalization and attention in each. Repeated layers of other models do
    not pass for steps.
    """
    ops = outermost_ops(linked, thread)
    place = iterations.at(linked.host.start_ns[ops])
    searched = range(max(0, len(iterations) - _MAX_SEARCHED), len(iterations))
    parts = [_repeats_in(linked, ops[place == number]) for number in searched]
    found = [part for part in parts if part is not None]
    if not found or 2 * len(found) < len(parts):
        return None
    start, end = (np.concatenate(column) for column in zip(*found, strict=True))
    how = "Nothing marks denoising steps; they are what repeats in the order of an iteration's ops."
    return Steps(start, end, thread, how, "guess")


def _repeats_in(linked: LinkedTrace, ops: Int64s) -> tuple[Int64s, Int64s] | None:
    """Starts and ends of the repeats among `ops`, the last as long as the median one."""
    host, names = linked.host, linked.trace.names
    repeats = find_repeats(host.name[ops], at_least=3) if ops.size else None
    if repeats is None:
        return None
    first = repeats.first
    last = min(int(first[-1]) + repeats.length, len(ops)) - 1
    once = {names[number] for number in set(host.name[ops[first[0] : first[1]]].tolist())}
    for sign in (re.compile("conv"), GROUP_NORM, _ATTENTION):
        if not any(sign.search(name) for name in once):
            return None
    start = host.start_ns[ops[first]]
    return start, np.append(start[1:], host.start_ns[ops[last]] + host.dur_ns[ops[last]])


def _of_events(linked: LinkedTrace, events: Int64s, how: str, confidence: Confidence) -> Steps:
    events = events[np.argsort(linked.host.start_ns[events], kind="stable")]
    start = linked.host.start_ns[events]
    thread = int(linked.host.thread[events[0]])
    return Steps(start, start + linked.host.dur_ns[events], thread, how, confidence)
