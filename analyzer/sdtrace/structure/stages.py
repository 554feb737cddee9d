"""Stages of an image: runs of calls of unlike networks in turn, such as a prior and a decoder."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s
from sdtrace.structure.call_groups import LAYER
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.denoiser_calls import Calls

_LOOK_UP: Final = re.compile(r"^aten::embedding$")
_MOST: Final = 3
"""Stages of an image, at most."""


class Stages(NamedTuple):
    """After which calls an image ends, how many stages each has; `is_sure` is False for the only image."""

    borders: Bools
    number: int
    is_sure: bool


def join_stages(linked: LinkedTrace, ops: OpSequence, calls: Calls, borders: Bools) -> Stages:
    """Runs of calls, as `borders` part them, joined where networks take turns from run to run.

    A network is known by its number of layers, which does not change with the size of the image. The same
    few networks in the same order each time are stages; if each ran once, they may be two models, too.
    """
    alone = Stages(borders, 1, True)
    layers = _layers_of_runs(linked, ops, calls, borders)
    if len(layers) < 2 or (layers <= 0).any():
        return alone
    for number in range(2, _MOST + 1):
        turns = layers[: len(layers) // number * number].reshape(-1, number)
        differs = len(set(turns[0].tolist())) == number if turns.size else False
        if turns.size == layers.size and differs and (turns == turns[0]).all():
            ends = np.flatnonzero(borders)
            joined = np.zeros(len(borders), np.bool_)
            joined[ends[number - 1 :: number]] = True
            return Stages(joined, number, len(turns) > 1)
    return alone


def _layers_of_runs(linked: LinkedTrace, ops: OpSequence, calls: Calls, borders: Bools) -> Int64s:
    """The usual number of layers from one call of each run to the next, 0 for a run of one call."""
    names = linked.trace.names_matching
    counted = np.append(0, np.cumsum(ops.named(names(LAYER) | names(_LOOK_UP))))
    layers = np.diff(counted[np.searchsorted(ops.start_ns, calls.start_ns)])
    runs = np.split(layers, np.flatnonzero(borders) + 1)
    inner = [run[:-1] for run in runs[:-1]] + runs[-1:]
    return np.array([int(np.median(run)) if run.size else 0 for run in inner], np.int64)
