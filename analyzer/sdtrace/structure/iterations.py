"""Iterations: what the trace does again and again, usually one image or one training step each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sdtrace.intervals import Bools, Int64s, place_of

Confidence = Literal["certain", "likely", "guess"]


@dataclass(frozen=True)
class Iterations:
    """Disjoint spans of host time in order, half-open, int64 nanoseconds; `name` has one per span.

    `how` says in a sentence how they were found, `confidence` how far to trust it. `is_whole` (bool, one
    per span) is False for a span that the start or the end of the profile cut off. `runner_up` says in a
    sentence what else they may be, '' when there is nothing else.
    """

    name: list[str]
    start_ns: Int64s
    end_ns: Int64s
    how: str
    confidence: Confidence
    is_whole: Bools
    runner_up: str = ""

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def index(self) -> Int64s:
        """Numbers from 0."""
        return np.arange(len(self.start_ns))

    def at(self, points: Int64s) -> Int64s:
        """The iteration of each instant, -1 between iterations."""
        return place_of(self.start_ns, self.end_ns, points)
