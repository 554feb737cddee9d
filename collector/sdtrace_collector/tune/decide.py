"""What measured walls say: their middle and spread, and whether a trial is faster than its base."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

import msgspec

_CLOSE: Final = 0.03
_CLOSE_TO_OLD: Final = 0.1
"""A machine changes by so much within minutes."""


class Walls(msgspec.Struct, frozen=True):
    """Wall seconds of images without the profiler, a list for each process that made some."""

    processes: list[list[float]]

    @property
    def median(self) -> float:
        """The middle of all images, in seconds."""
        return median(self._all)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Half of the images lie between these."""
        if len(self._all) < 2:
            return self._all[0], self._all[0]
        low, _, high = quantiles(self._all, n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        low, high = self.quartiles
        return (high - low) / 2 / self.median

    def with_more(self, seconds: list[float]) -> Walls:
        """These and the images of one more process."""
        return Walls([*self.processes, seconds])

    @property
    def _all(self) -> list[float]:
        return [second for process in self.processes for second in process]


class Verdict(Enum):
    """How a trial's walls compare with its base's."""

    FASTER = "faster"
    SLOWER = "slower"
    NOISE = "within the noise"


class Prediction(NamedTuple):
    """The wall that a finding promises, and its range where it gives one; microseconds."""

    us: float
    low_us: float | None = None
    high_us: float | None = None


def judge(base: Walls, trial: Walls) -> Verdict:
    """Faster or slower only where the middle halves of the images lie apart."""
    if trial.quartiles[1] < base.quartiles[0]:
        return Verdict.FASTER
    return Verdict.SLOWER if trial.quartiles[0] > base.quartiles[1] else Verdict.NOISE


def needs_more(base: Walls, trial: Walls, *, is_old: bool) -> bool:
    """Whether both should be measured again: they are close, or nothing is sure about a gain.

    `is_old`: other things ran between the two.
    """
    verdict = judge(base, trial)
    change = trial.median / base.median - 1
    if verdict is Verdict.SLOWER and not is_old:
        return False
    close = max(_CLOSE_TO_OLD if is_old else _CLOSE, base.spread + trial.spread)
    return abs(change) < close or (verdict is Verdict.NOISE and change < 0)


def is_small(promised: Prediction | None, wall_us: float) -> bool:
    """Whether a finding promises nothing, or no more than a machine changes by within minutes."""
    return promised is None or promised.us > (1 - _CLOSE_TO_OLD) * wall_us


def is_undecided(base: Walls, trial: Walls) -> bool:
    """Whether a gain that matters is lost in the spread."""
    return judge(base, trial) is Verdict.NOISE and trial.median < (1 - _CLOSE) * base.median


def predict(finding: Any, wall_us: float) -> Prediction | None:
    """What the finding promises for an image that takes `wall_us`; None where it promises nothing."""
    saving = getattr(finding, "saving", None)
    if saving is not None:
        return Prediction(saving.to_us, saving.low_us, saving.high_us)
    if finding.saving_us is None:
        return None
    return Prediction(max(0.0, wall_us - finding.saving_us))


def predict_together(findings: Sequence[Any], wall_us: float) -> Prediction | None:
    """What several findings promise when all are followed: none is counted twice.

    At least what the best of them brings at least, at most the sum of what each brings at most; the middle is
    the sum of what each brings after the findings listed before it.
    """
    promised = [(finding, found) for finding in findings if (found := predict(finding, wall_us))]
    if len(promised) < 2:
        return promised[0][1] if promised else None
    low = wall_us - sum(wall_us - _or(found.low_us, found.us) for _, found in promised)
    high = min(_or(found.high_us, found.us) for _, found in promised)
    steps = sum(_step_us(finding, wall_us - found.us) for finding, found in promised)
    return Prediction(min(max(wall_us - steps, low, 0.0), high), max(low, 0.0), high)


def _step_us(finding: Any, alone_us: float) -> float:
    saving = getattr(finding, "saving", None)
    return alone_us if saving is None else float(saving.step_us)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
