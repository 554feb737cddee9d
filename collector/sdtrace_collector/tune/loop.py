"""The loop: analyze the best so far, try what its findings advise, keep what is faster."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from sdtrace.errors import SdtraceError
from sdtrace_collector.likeness import psnr_db
from sdtrace_collector.tune.bench import Measured
from sdtrace_collector.tune.cures import Candidate, Settings, Where
from sdtrace_collector.tune.decide import (
    Verdict,
    Walls,
    is_small,
    is_undecided,
    judge,
    needs_more,
    predict_together,
)
from sdtrace_collector.tune.record import FINISHED, Outcome, Trial, Tuning
from sdtrace_collector.tune.space import Point, Space, VariantSpace

_TRIES = 2
"""What was not faster is tried once more, where a finding still advises it after another base was kept."""

_ALONE = frozenset({"dtype", "attention", "compile", "quantization", "tf32", "offload"})
"""Axes that are never pooled: what they change is large, or is seen in the picture."""

_ROUNDS = 2
"""How often base and trial are measured again, at most."""


class Runs(Protocol):
    """What runs and analyzes; see `Bench`."""

    def measure(self, name: str, point: Point) -> Measured:
        """Walls, picture and trace of one process."""

    def again(self, name: str, point: Point) -> list[float]:
        """Walls of one more process."""

    def study(self, trace: Path) -> Any:
        """The `sdtrace.Analysis` of a trace."""


class Begun(NamedTuple):
    """The start, measured and analyzed; how long that took, in seconds."""

    tuning: Tuning
    first: Measured
    analysis: Any
    took_s: float


def begin(runs: Runs, name: str, point: Point, clock: Callable[[], float] = time.monotonic) -> Begun:
    """Measures and analyzes the point to begin with.

    Raises:
        CollectError: it cannot run.
        UnreadableTrace: its trace cannot be read.
    """
    began = clock()
    measured = runs.measure(f"0-{name}", point)
    facts = measured.facts
    start = Trial(
        number=0,
        name=name,
        settings={},
        axes=dict(point),
        findings=[],
        reason="",
        outcome="start",
        measured=Walls([facts.unprofiled_wall_s]),
        trace=_relative(measured.trace),
    )
    tuning = Tuning(
        variant=name,
        model=facts.model,
        steps=facts.steps,
        batch=facts.batch,
        height=facts.height,
        width=facts.width,
        device=facts.device,
        device_name=facts.device_name,
        versions=facts.versions,
        trials=[start],
    )
    return Begun(tuning, measured, runs.study(measured.trace), clock() - began)


class Loop:
    """One call of `sdtrace tune`, from its start on.

    `tuning` is whole at any time and `analysis` is that of its best; `note` is called after each trial.
    """

    def __init__(
        self,
        runs: Runs,
        begun: Begun,
        note: Callable[[Trial], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        budget_s: float,
        keep_dtype: bool = False,
        space: Space | None = None,
    ) -> None:
        self._space = VariantSpace() if space is None else space
        self.tuning, first, self.analysis, took_s = begun
        self._runs, self._note, self._clock = runs, note, clock
        self._ends = clock() + budget_s - took_s
        self._longest_s = {self._space.is_compiled(self.tuning.start.axes): took_s}
        self._pools = first.facts.device.startswith("cuda")
        self._picture = first.picture
        self._where = Where(
            first.facts.device.split(":")[0], self.analysis.report.device.get("computeMajor"), keep_dtype
        )
        self._tries: Counter[frozenset[tuple[str, str]]] = Counter()
        self._seen = [self.tuning.start.axes]
        self._excluded: set[tuple[str, str]] = set()
        self._hidden: list[Settings] = []
        self._uncovered: list[Settings] = []

    def run(self) -> None:
        """Tries settings until none is left, or the next would likely end after the budget."""
        while (candidate := self._next()) is not None:
            if self._clock() + self._likely_s(candidate) > self._ends:
                self.tuning.ended = "the budget is used up"
                return
            began = self._clock()
            self.tuning.trials.append(self._try(candidate))
            trial = self.tuning.trials[-1]
            kind = self._space.is_compiled(trial.axes)
            self._longest_s[kind] = max(self._longest_s.get(kind, 0.0), self._clock() - began)
            self._remember(trial)
            self._note(trial)
        self._measure_ends_again()
        self.tuning.ended = FINISHED

    def _likely_s(self, candidate: Candidate) -> float:
        """How long a trial takes at most so far: one that compiles, or one that does not."""
        kind = self._space.is_compiled(self._after(candidate.settings) or self.tuning.best.axes)
        return self._longest_s.get(kind, max(self._longest_s.values()))

    def _measure_ends_again(self) -> None:
        """Start and best once more, by turns: the first was measured long ago."""
        if self.tuning.best is self.tuning.start:
            return
        for trial in (self.tuning.start, self.tuning.best):
            with suppress(SdtraceError):
                self._measure_again(trial)

    def _remember(self, trial: Trial) -> None:
        """Less GPU work shortens nothing while the CPU is the limit: it does once the CPU has less to do."""
        self._pools &= len(trial.settings) == 1 or trial.outcome == "kept"
        kind = trial.findings[0].partition(".")[0] if trial.findings else ""
        if kind == "device" and trial.outcome in ("slower", "within the noise"):
            self._hidden.append(trial.settings)
        elif kind == "host" and trial.outcome == "kept":
            self._uncovered, self._hidden = self._uncovered + self._hidden, []

    def _next(self) -> Candidate | None:
        """What the CPU may have hidden; the best finding that is a setting; a pool; what helped elsewhere."""
        axes = self.tuning.best.axes
        advised = list(self._space.advised(self.analysis.report.findings, axes, self._where))
        rest = list(self._space.known_to_help(axes, self._where))
        pool = self._pooled([*advised, *rest])
        while self._uncovered:
            settings = self._uncovered.pop(0)
            if self._is_open(settings, _TRIES):
                again = Candidate(settings, "the CPU has less to do now")
                return next((each for each in advised if each.settings == settings), again)
        for candidate in advised:
            if self._is_open(candidate.settings, _TRIES) and not (pool and self._is_small(candidate)):
                return candidate
        if pool is not None:
            return pool
        for candidate in rest:
            if self._is_open(candidate.settings, 1):
                return candidate
        return self._together(axes, rest)

    def _is_small(self, candidate: Candidate) -> bool:
        """Whether it brings too little to be measured alone, as far as its finding knows."""
        wall_us = _walls(self.tuning.best).median * 1e6
        return not candidate.settings.keys() & _ALONE and is_small(
            predict_together(candidate.findings, wall_us), wall_us
        )

    def _pooled(self, candidates: list[Candidate]) -> Candidate | None:
        """All small ones in one trial; None where a pool was not faster before: then each is tried alone."""
        small = [each for each in candidates if self._is_small(each) and self._is_open(each.settings, _TRIES)]
        settings = {axis: value for each in small for axis, value in each.settings.items()}
        if not self._pools or len(settings) < 2 or self._after(settings) is None:
            return None
        findings = tuple({id(found): found for each in small for found in each.findings}.values())
        pool = Candidate(settings, "each may bring too little to be measured alone", findings)
        return pool if self._is_open(settings, 1) else None

    def _after(self, settings: Settings) -> Point | None:
        return self._space.moved(self.tuning.best.axes, settings, self._where)

    def _is_open(self, settings: Settings, tries: int) -> bool:
        after = self._after(settings)
        key = frozenset(settings.items())
        return self._tries[key] < tries and after not in self._seen and not key & self._excluded

    def _together(self, axes: Point, rest: list[Candidate]) -> Candidate | None:
        """On a GPU, all that did not help alone: a layout and the norms that keep it need each other."""
        settings = {
            axis: value
            for candidate in rest
            for axis, value in candidate.settings.items()
            if (axis, value) not in self._excluded
        }
        if self._where.device != "cuda" or len(settings) < 2 or not self._is_open(settings, 1):
            return None
        return (
            Candidate(settings, "none of them helped alone")
            if self._space.moved(axes, settings, self._where)
            else None
        )

    def _try(self, candidate: Candidate) -> Trial:
        base = self.tuning.best
        axes = dict(self._space.moved(base.axes, candidate.settings, self._where) or base.axes)
        self._tries[frozenset(candidate.settings.items())] += 1
        self._seen.append(axes)
        number = len(self.tuning.trials)
        promised = predict_together(candidate.findings, _walls(base).median * 1e6)
        trial = Trial(
            number=number,
            name="+".join(f"{axis}={value}" for axis, value in candidate.settings.items()),
            settings=dict(candidate.settings),
            axes=axes,
            findings=[finding.id for finding in candidate.findings],
            reason=candidate.reason,
            outcome="failed",
            base=_walls(base),
            predicted_us=promised and promised.us,
            low_us=promised and promised.low_us,
            high_us=promised and promised.high_us,
        )
        try:
            return self._measured(trial, base)
        except SdtraceError as error:
            self._excluded |= set(candidate.settings.items()) if len(candidate.settings) == 1 else set()
            return replace(trial, note=str(error))

    def _measured(self, trial: Trial, base: Trial) -> Trial:
        """The trial with its walls and outcome; `analysis` is that of the best then. Raises SdtraceError."""
        measured = self._runs.measure(f"{trial.number}-{trial.name}", trial.axes)
        before, after = _walls(base), Walls([measured.facts.unprofiled_wall_s])
        trial = replace(trial, measured=after, trace=_relative(measured.trace))
        if not math.isnan(float(self._picture.sum())):
            likeness = psnr_db(measured.picture, self._picture)
            trial = replace(trial, psnr_db=likeness)
            if not self._space.is_same_picture(likeness, trial.axes, self._where.device):
                self._excluded |= set(trial.settings.items()) if len(trial.settings) == 1 else set()
                return replace(trial, outcome="other picture")
        is_old = base.number != trial.number - 1
        rounds = 0
        while rounds < _ROUNDS and (
            is_undecided(before, after) if rounds else needs_more(before, after, is_old=is_old)
        ):
            rounds += 1
            before = self._measure_again(self.tuning.trials[base.number])
            after = after.with_more(self._runs.again(f"{trial.number}-again", trial.axes))
        outcome = _OUTCOMES[judge(before, after)]
        if outcome == "kept":
            self.analysis = self._runs.study(measured.trace)
        return replace(trial, base=before, measured=after, outcome=outcome)

    def _measure_again(self, trial: Trial) -> Walls:
        """All walls of a trial of the table, those of one more process among them."""
        walls = _walls(trial).with_more(self._runs.again(f"{trial.number}-again", trial.axes))
        self.tuning.trials[trial.number] = replace(trial, measured=walls)
        return walls


_OUTCOMES: dict[Verdict, Outcome] = {
    Verdict.FASTER: "kept",
    Verdict.SLOWER: "slower",
    Verdict.NOISE: "within the noise",
}


def _walls(trial: Trial) -> Walls:
    """The walls of a trial that was measured."""
    if trial.measured is None:
        raise ValueError(f"trial {trial.number} was not measured")
    return trial.measured


def _relative(trace: Path) -> str:
    return f"{trace.parent.name}/{trace.name}"
