"""One trace held against another: the same work or not, how much faster, where the difference comes from."""

from __future__ import annotations

from typing import Literal

from sdtrace.model.struct import Struct


class WaterfallStep(Struct, kw_only=True, frozen=True):
    """A part of a steady iteration on both sides, a mean over steady iterations.

    `sort` says what it is: `work` of the GPU by component and category; `overlap`, negative, of work that
    ran at once; `idle` time of the GPU by cause; `cpu` time by component where there is no GPU; `profiler`,
    what the profiler adds, negative; `rest`. The changes sum to that of the iteration, to the nanosecond.
    """

    sort: Literal["work", "overlap", "idle", "cpu", "profiler", "rest"]
    component: str
    """'' where it belongs to none."""
    what: str
    """The category of work, or the cause of idle time."""
    base_us: float
    other_us: float
    change_us: float


class Match(Struct, kw_only=True, frozen=True):
    """Device work that is the same on both sides, a mean over steady iterations.

    `by` says how it was matched: by op and `shape`; by `flops` of a call, where ops or shapes differ; else
    all that is left of a component is one match, by `component`.
    """

    component: str
    by: Literal["shape", "flops", "component"]
    base_work: str
    other_work: str
    base_us: float
    other_us: float
    change_us: float
    base_calls: float
    other_calls: float


class Story(Struct, kw_only=True, frozen=True):
    """How one trace stands against another: sentences, and the figures that they rest on."""

    same_work: bool
    """False where something shows that they did different work."""
    work: str
    """Whether both did the same work, and how that is known."""
    speed: str
    """How much faster an iteration is, and how sure that is."""
    cause: str
    """Where most of the difference comes from; '' where that is not known."""
    pays_off: str
    """After how many iterations the one-time cost is paid back."""
    advice: str
    """What to do about it, where it is plain; else ''."""
    factor: float | None
    """How many times as fast as the base an iteration is; by spread `factor_low` to `factor_high`."""
    factor_low: float | None
    factor_high: float | None
    base_us: float | None
    """A steady iteration; without the profiler where `is_unprofiled`."""
    other_us: float | None
    is_unprofiled: bool
    waterfall: list[WaterfallStep] = []
    """From the base's iteration to the other's; empty where one of them has no steady iteration."""


class Amortization(Struct, kw_only=True, frozen=True):
    """When a candidate's one-off overhead is paid back by its faster iterations."""

    name: str
    steady_us: float
    overhead_us: float
    speedup: float
    saving_per_iteration_us: float
    break_even_iterations: int | None
    """None when the candidate is not faster."""
    arithmetic: str
    """The computation in words and figures."""
    extra_us: float = 0.0
    """One-time cost beyond the baseline's; 0 where it is less."""
    story: Story | None = None
    """The comparison in sentences and as a waterfall."""
    matches: list[Match] = []
    """GPU work that is the same on both sides, also where one was compiled; the largest change first."""


class Comparison(Struct, kw_only=True, frozen=True):
    """Traces of one report set against the baseline, by steady iteration."""

    baseline: str
    rows: list[Amortization]
    workload: str = ""
    """What all of them did, and on which device; '' where the traces do not tell."""
