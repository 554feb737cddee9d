"""Changes to a plan, each with a best, a middle and a worst outlook where it depends on what a library does.

The factors come from pairs of runs on H100s, one change each; docs/predictions.md holds them to other pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.nesting import Int64s
from sdtrace.intervals import Bools
from sdtrace.waiting.activity import LONG_CALL_NS
from sdtrace.whatif.plan import Plan

Floats = NDArray[np.float64]
Outlook = Literal["best", "middle", "worst"]
Change = Callable[[Plan, Outlook], Plan]
"""Gives the changed plan.

Plans of one iteration keep their calls and pieces, what a change takes away has no duration: so masks fit all
of them, and changes can follow each other in any order.
"""


class Factors(NamedTuple):
    """What remains of a time, by outlook."""

    best: float
    middle: float
    worst: float

    def at(self, outlook: Outlook) -> float:
        """The factor of an outlook."""
        return float(getattr(self, outlook))


FUSABLE: Final = frozenset({"activation_elementwise", "normalization", "layout", "reduction", "resample"})
"""Categories of work that Inductor fuses."""
FUSED: Final = Factors(0.25, 0.38, 0.55)
"""Elementwise, normalization and layout kernels in bfloat16 or float16, after Inductor has fused them: 0.33
to 0.38 where the device decides."""
FUSED_FLOAT32: Final = Factors(0.4, 0.6, 0.8)
"""The same in float32 and TF32: 0.58 to 0.7."""
COMPILED_HOST: Final = Factors(0.38, 0.5, 0.62)
"""Host time of a component when it runs compiled instead of op by op."""
BATCH_SHARE: Final = Factors(0.45, 0.65, 0.9)
"""What each further image adds to device time, of what the first takes: 0.5 to 0.88 where it was measured."""
COMPILED_NORMS: Final = Factors(0.0, 0.3, 0.65)
"""What remains of group norms when they are compiled, with the conversions around them that go with them: 0.2
to 0.53 in six networks."""
FUSED_COUNT: Final = 3
"""So many of these kernels become one."""
HALF_FOR_FLOAT32: Final = Factors(0.6, 0.95, 1.5)
"""float32 matrix work in bfloat16 or float16: times the ratio of the card's two rates."""
TF32: Final = Factors(0.75, 1.0, 1.4)
"""float32 matrix work in TF32, with the conversions to NHWC it takes: times the ratio of the two rates."""
HALF_ATTENTION: Final = Factors(0.06, 0.08, 0.2)
"""float32 attention (memory-efficient) as flash or cuDNN attention in bfloat16 or float16."""
HALF_MEMORY: Final = Factors(0.6, 0.78, 0.95)
"""Kernels that move float32, moving bfloat16 or float16."""
FUSED_ATTENTION: Final = Factors(0.03, 0.07, 0.15)
"""Softmax and batched matmuls of attention in bfloat16 or float16, as one fused kernel: 0.05 to 0.15, less
the conversions that are gone with them."""
FUSED_ATTENTION_FLOAT32: Final = Factors(0.6, 0.8, 1.0)
"""The same in float32, where only the memory-efficient kernel exists."""
GRAPH_CALL_NS: Final = Factors(100_000, 450_000, 1_600_000)
"""Host time of a call that replays a CUDA graph of `GRAPH_KERNELS`: guards, copies of inputs, the launch."""
GRAPH_KERNELS: Final = 600
_GRAPH_FIXED: Final = 0.2
"""Share of it that a small graph takes too."""
GRAPH_STEP_NS: Final = Factors(1_000_000, 2_000_000, 3_000_000)
"""The same where calls were guessed from the order of ops: the scheduler's share of the step is in it."""


def scaled(pieces: Bools | np.bool_, factors: Factors) -> Change:
    """Some pieces take another time."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        dur = plan.pieces.dur_ns
        return plan.with_pieces(np.where(pieces, np.rint(dur * factors.at(outlook)), dur).astype(np.int64))

    return change


def batched(count: int) -> Change:
    """A batch of so many images: the host does as much, each further one adds to device time."""
    return scaled(np.bool_(True), Factors(*(1 + share * (count - 1) for share in BATCH_SHARE)))


def scaled_each(best: Floats) -> Change:
    """Each piece takes another share of its time: `best` at best, halfway there in the middle, 1 at worst."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        share = {"best": best, "middle": (1 + best) / 2, "worst": np.ones(len(best))}[outlook]
        return plan.with_pieces(np.rint(plan.pieces.dur_ns * share).astype(np.int64))

    return change


def unblocked(calls: Bools) -> Change:
    """Some calls no longer wait for the device."""

    def change(plan: Plan, _: Outlook) -> Plan:
        waits = plan.calls.waits & ~calls
        blocks = plan.pieces.blocks & ~calls[plan.pieces.call]
        return replace(
            plan, calls=plan.calls._replace(waits=waits), pieces=plan.pieces._replace(blocks=blocks)
        )

    return change


def dropped(calls: Bools) -> Change:
    """Some calls and their work are gone, with the time in them."""

    def change(plan: Plan, _: Outlook) -> Plan:
        own = np.where(calls, 0, plan.calls.own_ns)
        columns = plan.calls._replace(own_ns=own, waits=plan.calls.waits & ~calls)
        gone = calls[plan.pieces.call]
        return replace(plan, calls=columns).with_pieces(np.where(gone, 0, plan.pieces.dur_ns))

    return change


def pinned(calls: Bools, dur_ns: Int64s) -> Change:
    """Copies by some calls come from pinned memory: the host goes on at once. At worst nothing changes.

    `dur_ns` is how long each piece then takes; nothing takes longer than it did.
    """

    def change(plan: Plan, outlook: Outlook) -> Plan:
        if outlook == "worst":
            return plan
        own = np.where(calls, np.minimum(plan.calls.own_ns, PINNED_CALL_NS), plan.calls.own_ns)
        moved = replace(plan, calls=plan.calls._replace(own_ns=own))
        moved = moved.with_pieces(np.minimum(plan.pieces.dur_ns, dur_ns))
        return unblocked(calls)(moved, outlook)

    return change


def in_fewer_calls(gone: Bools) -> Change:
    """The host no longer makes some calls, whose work comes with that of others. At worst nothing changes.

    Calls that launch graphs stay.
    """

    def change(plan: Plan, outlook: Outlook) -> Plan:
        if outlook == "worst":
            return plan
        less = gone & ~plan.calls.is_graph
        gap, own = (np.where(less, 0, each) for each in (plan.calls.gap_ns, plan.calls.own_ns))
        return plan.with_host(gap, own, plan.tail_ns)

    return change


def without_gaps(calls: Bools) -> Change:
    """The host does nothing before some calls."""

    def change(plan: Plan, _: Outlook) -> Plan:
        return replace(plan, calls=plan.calls._replace(gap_ns=np.where(calls, 0, plan.calls.gap_ns)))

    return change


PINNED_CALL_NS: Final = 10_000
"""Host time of a call that only asks for a copy."""
PINNED_RATE: Final = 0.85
"""Rate of copies from pinned memory, as a share of the link's: 54 of 63 GB/s on an H100."""
ALL_GONE: Final = Factors(0.0, 0.0, 0.0)
BESIDE_GRAPHS: Final = Factors(0.5, 0.75, 1.0)
"""What the host's work takes that stays beside the launches of graphs: it has the CPU's caches for itself."""
WARM: Final = Factors(0.35, 0.7, 1.0)
"""What else the host does takes when no garbage is collected any more: collections empty its caches."""
LOADED: Final = Factors(0.0, 0.0, 0.25)
"""What workers leave of the time in a data loader; where they are too few they leave more."""


def less_host(gap_ns: Int64s, recorded_ns: Int64s, left: Factors = ALL_GONE) -> Change:
    """The host spends less before some calls and at the end: so much of each recorded gap, the same share of
    the plan's. The last of both is what follows the last call."""
    taken = np.minimum(1.0, gap_ns / np.maximum(1, recorded_ns))

    def change(plan: Plan, outlook: Outlook) -> Plan:
        share = 1 - taken * (1 - left.at(outlook))
        gap = np.rint(np.append(plan.calls.gap_ns, plan.tail_ns) * share).astype(np.int64)
        return plan.with_host(gap[:-1], plan.calls.own_ns, int(gap[-1]))

    return change


def quicker_host(factors: Factors) -> Change:
    """All that the host does takes another time."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        share = factors.at(outlook)
        gap, own = (np.rint(each * share).astype(np.int64) for each in (plan.calls.gap_ns, plan.calls.own_ns))
        return plan.with_host(gap, own, round(plan.tail_ns * share))

    return change


def compiled(group: Int64s, fusable: Bools, fused: Factors = FUSED) -> Change:
    """Component calls run compiled. `group` numbers them for each call, -1 outside; `fusable` are pieces, of
    whose time `fused` remains. Calls that take long do more than launch, and still do."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        share = np.where(group >= 0, COMPILED_HOST.at(outlook), 1.0)
        gap = np.rint(plan.calls.gap_ns * share).astype(np.int64)
        is_launch = plan.calls.own_ns < LONG_CALL_NS
        own = np.rint(plan.calls.own_ns * np.where(is_launch, share, 1.0)).astype(np.int64)
        mine = fusable & (group[plan.pieces.call] >= 0)
        dur = plan.pieces.dur_ns.copy()
        kept = ~mine | (np.cumsum(mine & (dur > 0)) % FUSED_COUNT == 0)
        spread = dur[mine].sum() / max(1, dur[mine & kept].sum()) * fused.at(outlook)
        dur = np.where(mine, np.rint(dur * spread), dur).astype(np.int64)
        quick = plan.with_host(gap, own, plan.tail_ns)
        return quick.with_pieces(np.where(kept, dur, 0))

    return change


AS_IT_IS: Final = Factors(1.0, 1.0, 1.0)


def from_graphs(group: Int64s, call_ns: Factors, beside: Factors = BESIDE_GRAPHS) -> Change:
    """Each component call becomes one launch of a CUDA graph. `group` numbers them, -1 outside.

    No call in a group may wait for the device: CUDA cannot record one. A graph of fewer kernels than
    `GRAPH_KERNELS` is launched in less than `call_ns`. What else the host does takes `beside`.
    """

    def change(plan: Plan, outlook: Outlook) -> Plan:
        head = np.arange(len(group))
        inside = np.flatnonzero(group >= 0)
        _, first, which = np.unique(group[inside], return_index=True, return_inverse=True)
        head[inside] = inside[first][which]
        is_head = np.zeros(len(group), np.bool_)
        is_head[inside[first]] = True
        gone = (group >= 0) & ~is_head
        held = np.bincount(head[plan.pieces.call], minlength=len(group))
        share = _GRAPH_FIXED + (1 - _GRAPH_FIXED) * np.minimum(1.0, held / GRAPH_KERNELS)
        launch = np.rint(call_ns.at(outlook) * share).astype(np.int64)
        left = quicker_host(beside)(plan, outlook)
        calls = left.calls._replace(
            gap_ns=np.where(gone, 0, left.calls.gap_ns),
            own_ns=np.where(is_head, launch, np.where(gone, 0, left.calls.own_ns)),
            is_graph=plan.calls.is_graph | is_head,
        )
        pieces = plan.pieces
        mine = group[pieces.call] >= 0
        moved = pieces._replace(
            call=head[pieces.call],
            lag_ns=np.where(mine, 0, pieces.lag_ns),
            pause_ns=np.where(mine, 0, pieces.pause_ns),
            within=pieces.within | mine,
        )
        return replace(left, calls=calls, pieces=moved)

    return change


def keeping(share: Floats, part: Change) -> Change:
    """A change that leaves a share of each gap before a call as it is, and last of what follows the calls."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        gap = np.append(plan.calls.gap_ns, plan.tail_ns)
        kept = np.rint(gap * share).astype(np.int64)
        left = gap - kept
        changed = part(plan.with_host(left[:-1], plan.calls.own_ns, int(left[-1])), outlook)
        gap_ns = changed.calls.gap_ns + kept[:-1]
        return changed.with_host(gap_ns, changed.calls.own_ns, changed.tail_ns + int(kept[-1]))

    return change


def together(*changes: Change) -> Change:
    """Several changes, one after the other."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        for part in changes:
            plan = part(plan, outlook)
        return plan

    return change


def at_best(part: Change) -> Change:
    """A change that perhaps cannot be made: only the best outlook has it."""

    def change(plan: Plan, outlook: Outlook) -> Plan:
        return part(plan, outlook) if outlook == "best" else plan

    return change
