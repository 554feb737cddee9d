"""Training steps, bounded by optimizer steps and loader turns."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like, outermost
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s
from sdtrace.structure.candidates import Candidate, OpSequence, op_sequence
from sdtrace.structure.marks import MARKS

_TRAINING: Final = re.compile(r"^autograd::engine::|^Optimizer\.step#")
_STEP: Final = re.compile(r"^Optimizer\.step#")
_ZERO_GRAD: Final = re.compile(r"^Optimizer\.zero_grad#")
_LOADER: Final = re.compile(r"^enumerate\(DataLoader\)#.*__next__|^\[pl\].*dataloader_next")
_MAX_TURN: Final = 8
"""Optimizer steps of unlike kinds that take turns, at most: five of a critic and one of a generator."""
_SAME: Final = 0.95
"""Share of names in which steps of one kind agree."""
_FEWER: Final = 0.75
"""Loader turns per optimizer step below which several optimizers share one training step."""


def is_training(linked: LinkedTrace) -> bool:
    """Whether anything ran backward or stepped an optimizer."""
    return bool(linked.trace.names_matching(_TRAINING).any())


def training_steps(linked: LinkedTrace) -> Candidate | None:
    """A training step ends with an optimizer step, or where the next batch is loaded.

    Several batches before one optimizer step (gradient accumulation) belong to one training step;
    several optimizer steps on one batch as well, and those of unlike models that take turns.
    """
    steps = outermost(linked, named_like(linked, _STEP, set(MARKS)))
    if len(steps) < 2:  # one border bounds nothing
        return None
    thread = int(np.bincount(linked.host.thread[steps]).argmax())
    steps = steps[linked.host.thread[steps] == thread]
    ops = op_sequence(linked, thread)
    loads = _on_thread(linked, _LOADER, thread)
    ends = linked.host.start_ns[steps] + linked.host.dur_ns[steps]
    ends = _of_one_optimizer(linked, steps, ends)
    load_start = linked.host.start_ns[loads]
    if 1 < len(loads) < _FEWER * len(ends):
        ends = ends[np.unique(np.searchsorted(ends, np.append(load_start[1:], ends[-1] + 1)) - 1)]
    elif len(loads) < 2:  # one batch, or none that is seen, bounds nothing
        ends = _of_turns(ops, ends)
    borders = _borders(ops, ends, load_start, _zero_grads(linked, thread))
    return _candidate(ops, borders, len(loads) > 0)


def _candidate(ops: OpSequence, borders: Int64s, has_loader: bool) -> Candidate | None:
    """Spans from the first op to the first border and from border to border."""
    if len(borders) < 2 or not len(ops):  # as above
        return None
    start = np.append(min(int(ops.start_ns[0]), int(borders[0])), borders[:-1])
    names = [f"training step {number}" for number in range(len(start))]
    marks = "optimizer steps and loader turns" if has_loader else "optimizer steps"
    return Candidate(
        "training_step",
        names,
        start,
        borders,
        np.ones(len(start), np.bool_),
        f"Iterations are training steps, bounded by {marks}.",
        f"training steps (bounded by {marks})",
        "certain" if has_loader else "likely",
    )


def _on_thread(linked: LinkedTrace, pattern: re.Pattern[str], thread: int) -> Int64s:
    events = outermost(linked, named_like(linked, pattern, set(MARKS)))
    mine: Int64s = events[linked.host.thread[events] == thread]
    return mine


def _zero_grads(linked: LinkedTrace, thread: int) -> tuple[Int64s, Int64s]:
    events = _on_thread(linked, _ZERO_GRAD, thread)
    start = linked.host.start_ns[events]
    return start, start + linked.host.dur_ns[events]


def _of_one_optimizer(linked: LinkedTrace, steps: Int64s, ends: Int64s) -> Int64s:
    """Ends of the optimizer that steps last in each turn, where optimizers of several names take turns."""
    name = linked.host.name[steps]
    kinds = np.unique(name)
    counts = [int((name == kind).sum()) for kind in kinds]
    if len(kinds) > 1 and len(set(counts)) == 1:
        ends = ends[name == name[-1]]
    return ends


def _of_turns(ops: OpSequence, ends: Int64s) -> Int64s:
    """Ends of turns, where every so many optimizer steps the same kinds of steps come again.

    Kinds differ in their ops. Steps that only begin with more than others (a validation) are no other kind.
    The first turn may differ, as optimizers make their state in it.
    """
    edges = np.append(np.searchsorted(ops.start_ns, ends), len(ops))
    steps = [ops.name[slice(*pair)] for pair in pairwise(edges[:-1].tolist())]
    for turn in range(2, min(_MAX_TURN, len(ends) // 2) + 1):
        later = steps[turn:] if len(steps) >= 3 * turn else steps
        if all(_agree(one, other) for one, other in zip(later, later[turn:], strict=False)):
            kinds = later[:turn]
            shortest = min(kinds, key=len)
            if all(_agree(shortest, kind[len(kind) - len(shortest) :]) for kind in kinds):
                return ends
            return ends[turn - 1 :: turn]
    return ends


def _agree(one: Int64s, other: Int64s) -> bool:
    return len(one) == len(other) and bool(np.mean(one == other) >= _SAME)


def _borders(ops: OpSequence, ends: Int64s, loads: Int64s, zero_grads: tuple[Int64s, Int64s]) -> Int64s:
    """Where each training step ends: before the next load, or after a `zero_grad` that directly follows."""
    limit = np.append(ends[1:], np.iinfo(np.int64).max)
    place = np.searchsorted(loads, ends)
    load = np.append(loads, np.iinfo(np.int64).max)[place]
    place = np.searchsorted(zero_grads[0], ends)
    cleared = np.append(zero_grads[0], np.iinfo(np.int64).max)[place]
    cleared_end = np.append(zero_grads[1], 0)[place]
    next_op = np.append(ops.start_ns, np.iinfo(np.int64).max)[np.searchsorted(ops.start_ns, ends)]
    directly = (cleared < limit) & (cleared <= next_op)
    borders: Int64s = np.where(load < limit, load, np.where(directly, cleared_end, ends))
    return borders
