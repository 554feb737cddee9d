"""How one trace stands against another, told in order: same work, how much faster, from where, worth it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sdtrace import units
from sdtrace.analysis.matched_work import Items
from sdtrace.analysis.plain_words import in_words
from sdtrace.analysis.same_work import WorkFacts, agreeing, differing, work_facts
from sdtrace.analysis.steady_work import SteadyWork, steady_work, waterfall
from sdtrace.analysis.study import Study
from sdtrace.model import Amortization, TraceReport
from sdtrace.model.compare import Story, WaterfallStep

_HALF: Final = frozenset({"bf16", "fp16"})
_SLOWER: Final = 1.1
_MINUS: Final = "\u2212"
_LARGEST: Final = 2
"""So many steps of the waterfall are told in the sentence."""
_WORDS: Final = {
    "launch_bound": "waiting for launch",
    "device_gap": "gaps between queued kernels",
    "sync": "waiting for the GPU to finish",
    "copy": "copying to or from the CPU",
    "outside": "before or after all GPU work",
}


@dataclass(frozen=True)
class Side:
    """What a comparison needs of a trace beyond its report; small, so that it can be kept of many."""

    facts: WorkFacts
    steady: SteadyWork | None
    items: Items | None = None
    """Steady GPU work by op and shape, where it is to be matched with that of others."""


def side_of(study: Study, items: Items | None = None) -> Side:
    """What a comparison needs of `study`; `items` is its steady GPU work, where it is to be matched."""
    return Side(work_facts(study), steady_work(study), items)


class _Walls(NamedTuple):
    """Steady iterations: the middle one, the shortest and the longest, in microseconds; and how many."""

    middle: float
    low: float
    high: float
    number: int


def story(
    base: TraceReport,
    other: TraceReport,
    sides: tuple[Side | None, Side | None],
    paid: Amortization | None,
    *,
    is_unprofiled: bool,
) -> Story:
    """The story of `other` against `base`; `paid` is when its one-time cost is paid back, where known."""
    ours, theirs = (_walls(trace, is_unprofiled) for trace in (base, other))
    steps = _steps(sides, ours, theirs, is_unprofiled=is_unprofiled)
    same, work = _work(base, other, sides)
    return Story(
        same_work=same,
        work=work,
        speed=_speed(base, other, ours, theirs, is_unprofiled),
        cause=_cause(steps, other.noun),
        pays_off=_worth(paid, ours, theirs, other.noun),
        advice=_advice(base, other, ours, theirs),
        factor=ours.middle / theirs.middle if ours and theirs else None,
        factor_low=ours.low / theirs.high if ours and theirs else None,
        factor_high=ours.high / theirs.low if ours and theirs else None,
        base_us=ours.middle if ours else None,
        other_us=theirs.middle if theirs else None,
        is_unprofiled=is_unprofiled,
        waterfall=steps,
    )


def _worth(paid: Amortization | None, ours: _Walls | None, theirs: _Walls | None, noun: str) -> str:
    """When the one-time cost is paid back, said with a condition where the difference may be chance."""
    if paid is None:
        return ""
    told = pays_off(paid, noun)
    if ours and theirs and _may_be_chance(ours, theirs) and paid.break_even_iterations is not None:
        return f"If the difference is real, {told[:1].lower()}{told[1:]}"
    return told


def pays_off(paid: Amortization, noun: str) -> str:
    """When the one-time cost is paid back: `It pays off after 17 images: ...`."""
    after, saved = paid.break_even_iterations, paid.saving_per_iteration_us
    if after is None:
        return "It never pays off: it is not faster."
    extra = paid.extra_us
    if not extra:
        return f"It pays off at once: it saves {units.duration(saved)} per {noun}, for no more one-time cost."
    return (
        f"It pays off after {units.counted(after, noun)}: {units.duration(extra)} more one-time cost, "
        f"{units.duration(saved)} saved per {noun}."
    )


def _walls(trace: TraceReport, is_unprofiled: bool) -> _Walls | None:
    steady = trace.steady
    if not is_unprofiled:
        return (
            None
            if steady is None
            else _Walls(steady.usual_us, steady.min_us, steady.max_us, steady.iterations)
        )
    middle = trace.unprofiled_wall_us
    if middle is None:
        return None
    recorded = trace.run.get("unprofiled_wall_s")
    walls = (
        [each * 1e6 for each in recorded if isinstance(each, int | float)]
        if isinstance(recorded, list)
        else []
    )
    return _Walls(middle, min([middle, *walls]), max([middle, *walls]), max(1, len(walls)))


def _steps(
    sides: tuple[Side | None, Side | None], ours: _Walls | None, theirs: _Walls | None, *, is_unprofiled: bool
) -> list[WaterfallStep]:
    first, second = sides
    if first is None or second is None or ours is None or theirs is None:
        return []
    walls = round(ours.middle * 1000), round(theirs.middle * 1000)
    return waterfall(first.steady, second.steady, *walls, is_unprofiled=is_unprofiled)


def _work(base: TraceReport, other: TraceReport, sides: tuple[Side | None, Side | None]) -> tuple[bool, str]:
    first, second = sides
    if first is None or second is None:
        return True, ""
    if how := differing(first.facts, second.facts):
        return False, f"They did different work: {'; '.join(how)}. Their times say little about each other."
    devices = [str(trace.run.get("device_name") or trace.device.get("name") or "") for trace in (base, other)]
    where = ""
    if devices[0] != devices[1]:
        named = " and ".join(device or "an unknown one" for device in devices)
        where = f" They ran on different devices: {named}."
    same = agreeing(first.facts, second.facts)
    if not same:
        return True, f"Nothing in the traces tells whether they did the same work.{where}"
    how_known = (
        "recorded with both runs"
        if first.facts.recorded and second.facts.recorded
        else "counted in both traces"
    )
    return True, f"Both did the same work ({', '.join(same)}; {how_known}).{where}"


def _speed(
    base: TraceReport, other: TraceReport, ours: _Walls | None, theirs: _Walls | None, is_unprofiled: bool
) -> str:
    missing = [trace.name for trace, walls in ((base, ours), (other, theirs)) if walls is None]
    if ours is None or theirs is None:
        return f"No steady {other.noun} to compare in {' and '.join(f'`{name}`' for name in missing)}."
    how = "without the profiler" if is_unprofiled else "with the profiler, which slows the CPU"
    times = f"{units.duration(ours.middle)} → {units.duration(theirs.middle)} per {other.noun}, {how}"
    factor = ours.middle / theirs.middle
    low, high = ours.low / theirs.high, ours.high / theirs.low
    word = f"`{other.name}` is {units.factor(factor)} as fast as `{base.name}` ({times})."
    counted = f"{units.count(ours.number)} and {units.counted(theirs.number, other.noun)}"
    if min(ours.number, theirs.number) < 2:
        return f"{word} How sure that is cannot be said: there is only one {other.noun} on a side."
    spread = f"{units.factor(low)} to {units.factor(high)}"
    if _may_be_chance(ours, theirs):
        return f"{word} The spread of {counted} is larger than the difference ({spread}): it may be chance."
    return f"{word} By the spread of {counted} it is {spread}."


def _may_be_chance(ours: _Walls, theirs: _Walls) -> bool:
    """Whether the spreads of both overlap, or one of them is not known."""
    return ours.low / theirs.high < 1 < ours.high / theirs.low or min(ours.number, theirs.number) < 2


def _cause(steps: Sequence[WaterfallStep], noun: str) -> str:
    """What explains most of the change, in its direction: GPU work by component, idle time by cause.

    Nothing is said where the profiler's own cost differs by more than the iterations do.
    """
    whole = sum(step.change_us for step in steps)
    if any(abs(step.change_us) > abs(whole) for step in steps if step.sort == "profiler"):
        return ""
    sums: Counter[str] = Counter()
    for step in steps:
        if step.sort not in ("profiler", "rest"):
            sums[_named(step)] += step.change_us  # type: ignore[assignment]  # counters count fractions too
    change = sum(sums.values())
    told = sorted((name for name in sums if sums[name] * change > 0), key=lambda name: -abs(sums[name]))
    parts = " and ".join(f"{name} ({_signed(sums[name])})" for name in told[:_LARGEST])
    return f"Most of the change per {noun} is {parts}." if parts else ""


def _named(step: WaterfallStep) -> str:
    if step.sort == "idle":
        return f"GPU idle: {_WORDS.get(step.what, step.what.replace('_', ' '))}"
    where = "" if step.component in ("", "other") else f" of the {in_words(step.component)}"
    return f"CPU time{where}" if step.sort == "cpu" else f"GPU work{where}"


def _signed(us: float) -> str:
    return f"{'+' if us >= 0 else _MINUS}{units.duration(abs(us))}"


def _advice(base: TraceReport, other: TraceReport, ours: _Walls | None, theirs: _Walls | None) -> str:
    """A word where a half-precision type makes a run on a CPU slower: most CPUs have no fast way for it."""
    if base.has_device or other.has_device or ours is None or theirs is None:
        return ""
    types = [_dtype(trace) for trace in (base, other)]
    slower, half = (other, types[1]) if theirs.middle > ours.middle else (base, types[0])
    factor = max(ours.middle, theirs.middle) / min(ours.middle, theirs.middle)
    if types[0] == types[1] or half not in _HALF or factor < _SLOWER:
        return ""
    return (
        f"`{slower.name}` is slower because it runs {half} on the CPU: without AMX or AVX512-BF16 "
        "instructions a CPU converts every value to float32 and back. Use float32 on this machine; half "
        "precision pays off on a GPU."
    )


def _dtype(trace: TraceReport) -> str:
    axes = trace.run.get("axes")
    return str(axes.get("dtype") or "") if isinstance(axes, dict) else ""
