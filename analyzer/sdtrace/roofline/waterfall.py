"""Where the time of one image goes: its work at the roofline, what it takes more, and what is no work.

The parts sum to the wall of the iteration, to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.intervals import total, union
from sdtrace.roofline.kinds import KindWork
from sdtrace.roofline.named_work import NamedWork
from sdtrace.trace.model import Bools

PartOf = Literal["roofline", "lost", "unknown", "overlap", "idle"]
OUTSIDE: Final = "other"


class Part(NamedTuple):
    """A part of the wall, in nanoseconds; negative where work of several streams ran at once (`overlap`).

    `roofline` is the least time of the work of a component, `lost` what the work of a category takes more,
    `unknown` work without a roof, `idle` a cause for which the device did not work.
    """

    part: PartOf
    name: str
    ns: int


class Window(NamedTuple):
    """The device time of one iteration: all work in it, cut at its ends.

    `piece` (int64) indexes the work of the trace, `ns` (int64) is how long each piece ran in the window.
    """

    begun_ns: int
    done_ns: int
    piece: Int64s
    ns: Int64s
    busy_ns: int


def window_of(linked: LinkedTrace, begun_ns: int, done_ns: int, mask: Bools | None = None) -> Window:
    """The work between two instants, and how long it lasts; `mask` (one per piece) chooses some of it."""
    row = linked.work.row
    start = np.maximum(linked.trace.start_ns[row], begun_ns)
    end = np.minimum(linked.trace.end_ns[row], done_ns)
    is_inside = end > start
    piece = np.flatnonzero(is_inside if mask is None else is_inside & mask)
    busy = union(start[piece], end[piece])
    return Window(begun_ns, done_ns, piece, (end - start)[piece], total(busy))


class Labels(NamedTuple):
    """What each piece of work belongs to: codes (one per piece, -1 for none) and their names."""

    component: Int64s
    components: list[str]
    category: Int64s
    categories: list[str]


def waterfall(
    window: Window, named: NamedWork, works: list[KindWork], labels: Labels, idle_ns: Mapping[str, int]
) -> list[Part]:
    """The parts of the window, the largest of each sort first. `idle_ns` has the idle time by cause."""
    at_roof = roof_shares(window, named, works)
    is_graded = np.isfinite(at_roof)
    at_best = np.where(is_graded, at_roof, 0.0)
    parts = _grouped("roofline", window, at_best, labels.component, labels.components)
    graded_ns = int(window.ns[is_graded].sum())
    lost = np.where(is_graded, window.ns - np.nan_to_num(at_roof), 0.0)
    lost_total = graded_ns - sum(part.ns for part in parts)
    parts += _grouped("lost", window, lost, labels.category, labels.categories, lost_total)
    unknown = np.where(is_graded, 0.0, window.ns.astype(np.float64))
    parts += _grouped("unknown", window, unknown, labels.category, labels.categories)
    all_ns = int(window.ns.sum())
    if all_ns > window.busy_ns:
        parts.append(Part("overlap", "several streams", window.busy_ns - all_ns))
    rest = window.done_ns - window.begun_ns - window.busy_ns - sum(idle_ns.values())
    causes = {**idle_ns, "outside": rest} if rest else idle_ns
    parts += [Part("idle", cause, ns) for cause, ns in sorted(causes.items(), key=lambda item: -item[1])]
    return [part for part in parts if part.ns]


def roof_shares(window: Window, named: NamedWork, works: list[KindWork]) -> np.typing.NDArray[np.float64]:
    """For each piece of the window the part of its time that is at the roofline, in ns; NaN without a roof.

    The roof of a call is spread over its pieces by their time; it is never more than what they took.
    """
    kind = named.kind[window.piece]
    known = np.append([np.nan if work.roof is None else work.roof.seconds * 1e9 for work in works], np.nan)
    _, which = np.unique(named.call[window.piece], return_inverse=True)
    of_call = sum_by(which, window.ns, which.max(initial=-1) + 1)[which]
    share: np.typing.NDArray[np.float64] = np.minimum(1.0, known[kind] / np.maximum(1, of_call)) * window.ns
    return share


def _grouped(
    sort: PartOf,
    window: Window,
    values: np.typing.NDArray[np.float64],
    code: Int64s,
    names: list[str],
    whole_ns: int | None = None,
) -> list[Part]:
    """Whole nanoseconds by name, longest first. They sum to `whole_ns`, else to the rounded sum."""
    sums = np.zeros(len(names) + 1)
    np.add.at(sums, code[window.piece], values)
    wanted = round(float(sums.sum())) if whole_ns is None else whole_ns
    whole: Int64s = np.floor(sums).astype(np.int64)
    missing = wanted - int(whole.sum())
    order = np.argsort(whole - sums, kind="stable")
    whole[order[: max(0, missing)]] += 1
    if missing < 0:
        whole[int(whole.argmax())] += missing
    parts = [Part(sort, name, ns) for name, ns in zip([*names, OUTSIDE], whole.tolist(), strict=True) if ns]
    return sorted(parts, key=lambda part: -part.ns)


def fastest_dtype(works: list[KindWork], used: Bools, rates: Mapping[str, float]) -> str | None:
    """The type with most operations per second among those that products of the model already use."""
    pairs = zip(works, used.tolist(), strict=True)
    types = {work.dtype for work, is_used in pairs if is_used and work.flops and work.dtype}
    return max((dtype for dtype in types if dtype in rates), key=lambda dtype: rates[dtype], default=None)
