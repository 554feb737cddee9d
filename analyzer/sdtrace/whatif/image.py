"""An iteration without the profiler: recorded, or estimated from the trace alone; as a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal, NamedTuple

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import total, union
from sdtrace.phases.silence import loader_calls
from sdtrace.whatif.plain_work import is_training, plain_gaps
from sdtrace.whatif.plan import GraphGaps, Plan, plan_of
from sdtrace.whatif.profiler_cost import at_pace, slowness, without_profiler
from sdtrace.whatif.replay import replay

_FAITHFUL: Final = 0.03
"""A replay that misses the profiled wall by more has not understood the trace."""
_FAST, _SLOW = 0.83, 1.2
"""Hosts of one kind differ so much, and from call to call."""
_FAST_STACKED, _SLOW_STACKED = 0.75, 1.1
"""The same once more where stacks were recorded: what that costs differs from function to function."""
_STAYS_SLOW: Final = 0.2
"""One that was slow with the profiler may stay slower than is usual, by this power of how slow it was."""
SURE: Final = 0.02
"""Device time itself differs by so much between runs of one program."""
_QUICK_COPIES, _USUAL_COPIES, _SLOW_COPIES = 0.4, 0.65, 1.2
"""Copies to pageable memory, which the host makes, differ by more than all else. They ran at 2 to 3.5 GB/s
with the profiler, at 3 to 8 GB/s without, and once at 1.5."""
_MUCH: Final = 0.5
"""From this share of the host's own time on, copies that block it decide the wall."""
_PACES: Final = (0.3, 2.0)
_SEARCH: Final = 10


class Unprofiled(NamedTuple):
    """What an iteration takes without the profiler, in nanoseconds."""

    source: Literal["recorded", "estimated"]
    low_ns: int
    mid_ns: int
    high_ns: int


@dataclass(frozen=True)
class Image:
    """An iteration without the profiler: its wall, and plans that come to the low, middle and high end.

    An image is timed `alone`, from nothing queued to all done; steps of a training follow each other.

    `span` is when the host began and ended it in the trace, in nanoseconds. `clocked` is it on a quick and on
    a slow host by the trace's own clocks, whatever wall was recorded.
    """

    wall: Unprofiled
    fast: Plan
    usual: Plan
    slow: Plan
    clocked: tuple[Plan, Plan]
    span: tuple[int, int]
    alone: bool
    beside_ns: int = 0
    """Device time in the trace that ran at the same time as other device time."""

    def least_ns(self, plan: Plan) -> int:
        """The least that a changed plan takes where no more work runs at the same time than did.

        What waits for what between streams is known only as far as it held something up.
        """
        return int(plan.pieces.dur_ns.sum()) - self.beside_ns


def image_of(
    linked: LinkedTrace, span: tuple[int, int], profiled_ns: int, recorded_ns: Sequence[int]
) -> Image | None:
    """The iteration that the host ran through in `span` and that took `profiled_ns` with the profiler.

    `recorded_ns` are walls that were measured without it; where a data loader runs, they may hold waits that
    this iteration did not have, so that at best the host is as fast as without them. None where the replay
    does not come to the profiled wall, as in pipelined training where work of several iterations lies one in
    the other.
    """
    plan = plan_of(linked, *span)
    if plan is None or abs(replay(plan) - profiled_ns) > _FAITHFUL * profiled_ns:
        return None
    alone = not is_training(linked, *span)
    row = linked.work.row[plan.pieces.work]
    busy = union(linked.trace.start_ns[row], linked.trace.start_ns[row] + plan.pieces.dur_ns)
    beside = int(plan.pieces.dur_ns.sum()) - total(busy)
    host = slowness(linked, *span)
    bare = without_profiler(plan, host, plain_gaps(linked, plan, *span))
    if recorded_ns:
        clocked = _tight(at_pace(bare, _FAST, _USUAL_COPIES)), at_pace(bare, _SLOW, _USUAL_COPIES)
        found = replace(_as_recorded(bare, recorded_ns, clocked, span, alone), beside_ns=beside)
        return replace(found, fast=_tight(at_pace(bare, _FAST))) if loader_calls(linked).size else found
    quick, lame = (_FAST_STACKED, _SLOW_STACKED) if plan.calls.frames.any() else (1.0, 1.0)
    fast = _tight(at_pace(bare, _FAST * quick, _QUICK_COPIES))
    usual = at_pace(bare, 1.0, _USUAL_COPIES)
    slow = at_pace(bare, _SLOW * lame * host.traced**_STAYS_SLOW, _SLOW_COPIES)
    middle, high = (replay(each, alone=alone) for each in (usual, slow))
    low = min(middle, replay(fast))
    most = round(high * (1 + SURE))
    if not loader_calls(linked).size:  # Its waits differ from iteration to iteration.
        longest = replay(plan, alone=alone)
        most = min(most, _most(longest, int((slow.pieces.dur_ns - plan.pieces.dur_ns).sum())))
    wall = Unprofiled("estimated", round(low * (1 - SURE)), middle, max(middle, most))
    return Image(wall, fast, usual, slow, (fast, slow), span, alone, beside)


def _tight(plan: Plan) -> Plan:
    """The plan with kernels of CUDA graphs one right after the other, as some graphs run unrecorded."""
    return replace(plan, graph_gaps=GraphGaps(0, 0, 0))


def _most(profiled_ns: int, slower_copies_ns: int) -> int:
    """The longest that an iteration without a data loader takes: as with the profiler, on a slow day.

    Device time differs a little between runs. Copies that the host makes differ much more, recorded or not:
    one pipeline that offloads its models took longer without the profiler than with it.
    """
    return round(profiled_ns * (1 + SURE)) + max(0, slower_copies_ns)


def _as_recorded(
    plan: Plan,
    recorded_ns: Sequence[int],
    clocked: tuple[Plan, Plan],
    span: tuple[int, int],
    alone: bool,
) -> Image:
    """The plan at paces at which it takes as long as what was recorded, as far as the host decides."""
    low, middle, high = min(recorded_ns), round(median(recorded_ns)), max(recorded_ns)
    fast, usual, slow = (
        _paced(plan, wall, pace, alone=alone)
        for wall, pace in zip((low, middle, high), (_FAST, 1.0, _SLOW), strict=True)
    )
    return Image(Unprofiled("recorded", low, middle, high), _tight(fast), usual, slow, clocked, span, alone)


def _paced(plan: Plan, wall_ns: int, usual: float, *, alone: bool) -> Plan:
    """The plan on a host of the pace at which its replay takes `wall_ns`.

    A wall that the device or copies decide says nothing of the host, which then has the pace `usual`.
    """
    if (1 - SURE) * replay(plan) <= wall_ns <= (1 + SURE) * replay(plan, alone=alone):
        return at_pace(plan, usual)
    copies = plan.pieces.dur_ns[plan.pieces.blocks].sum() > _MUCH * plan.host_ns
    low, high = _PACES
    for _ in range(_SEARCH):
        middle = (low * high) ** 0.5
        tried = at_pace(plan, usual if copies else middle, middle)
        low, high = (low, middle) if replay(tried, alone=alone) > wall_ns else (middle, high)
    pace = (low * high) ** 0.5
    return at_pace(plan, usual if copies else pace, pace)
