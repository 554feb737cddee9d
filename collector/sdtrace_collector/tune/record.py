"""What `sdtrace tune` keeps in tune.json."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from sdtrace_collector.tune.decide import Walls

FINISHED: Final = "nothing is left to try"
"""Why a tuning ends that needs no more time."""
Outcome = Literal["start", "kept", "slower", "within the noise", "other picture", "failed"]


class Trial(msgspec.Struct, frozen=True):
    """One point on the axes, tried against the best so far; number 0 is the start.

    `base` and `measured` are walls of images without the profiler; `predicted_us` is the wall that
    `findings` promised, from `low_us` to `high_us` where they gave a range. `psnr_db` compares the first
    image with that of the start: 200 if equal. `trace` is relative to the folder of tune.json. What is not
    known is None.
    """

    number: int
    name: str
    settings: dict[str, str]
    axes: dict[str, str]
    findings: list[str]
    reason: str
    outcome: Outcome
    base: Walls | None = None
    measured: Walls | None = None
    predicted_us: float | None = None
    low_us: float | None = None
    high_us: float | None = None
    psnr_db: float | None = None
    trace: str | None = None
    note: str = ""


class Tuning(msgspec.Struct):
    """All trials of one call, and why it ended. The best is the last that is kept, or the start.

    `script` is what was tuned where that is a script, and `denoiser` its pipeline's name for it.
    """

    variant: str
    model: str | None
    steps: int | None
    batch: int | None
    height: int | None
    width: int | None
    device: str
    device_name: str
    versions: dict[str, str | None]
    trials: list[Trial]
    ended: str = "unfinished"
    script: str = ""
    denoiser: str = ""
    schema: str = "sdtrace.tune/2"

    @property
    def start(self) -> Trial:
        """Where it began."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The fastest that was kept."""
        return next(trial for trial in reversed(self.trials) if trial.outcome in ("start", "kept"))
