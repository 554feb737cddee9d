"""What a steady iteration consists of: GPU work by component or by kind, and idle time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from sdtrace import units
from sdtrace.analysis.image_time import gpu_works_us, image_time
from sdtrace.analysis.plain_words import KERNEL, UNKNOWN, in_words
from sdtrace.breakdowns.components import ComponentRow
from sdtrace.breakdowns.kernels import CategoryRow
from sdtrace.model import Kernel, TraceReport, VerdictPart
from sdtrace.phases.timeline import STEADY

_BOTH_WAYS: Final = ("memcpy_h2d", "memcpy_d2h")
_COPIES: Final = "copies"
_OTHER: Final = "other"
_LARGEST: Final = 4
"""So many parts of the GPU's work are named at most; the rest is one part."""
_LEAST: Final = 0.005
"""Of an iteration: smaller parts are not named."""


class Largest(NamedTuple):
    """The largest component, or kind, of GPU work; `share` from 0 to 1."""

    what: Literal["component", "kind"]
    label: str
    share: float

    @property
    def name(self) -> str:
        """As people call it: `the UNet`, `matrix multiplication`."""
        return f"the {in_words(self.label)}" if self.what == "component" else in_words(self.label)

    @property
    def capital(self) -> str:
        """The name at the start of a sentence."""
        return f"{self.name[:1].upper()}{self.name[1:]}"

    @property
    def percent(self) -> str:
        """The share in words: `93.3 %`."""
        return units.share(100 * self.share)


class Image(NamedTuple):
    """A steady iteration: its time and GPU work in microseconds, and what is largest in that work.

    `leading` is the component or the kind of work, whichever has the larger share, `following` the other.
    `copies` is the share of copies between CPU and GPU in GPU work. `whole_us` is None where no iteration is
    steady; then there are no `parts`.
    """

    whole_us: float | None
    works_us: float
    leading: Largest
    following: Largest | None
    copies: float
    parts: list[VerdictPart]


def image_of(
    trace: TraceReport, categories: Sequence[CategoryRow], parts: Sequence[ComponentRow]
) -> Image | None:
    """A steady iteration of a trace, with the categories and components of its work; None without any."""
    components, kinds = _components(parts), _kinds(categories, trace.kernels)
    large = [_largest("component", components), _largest("kind", kinds)]
    found = sorted((part for part in large if part is not None), key=lambda part: -part.share)
    if not found:
        return None
    leading, following = found[0], found[1] if len(found) > 1 else None
    works, whole = gpu_works_us(trace), image_time(trace)
    sums = components if leading.what == "component" else kinds
    return Image(
        whole_us=whole.us if whole is not None and works is not None else None,
        works_us=works or 0.0,
        leading=leading,
        following=following,
        copies=kinds[_COPIES] / kinds.total() if kinds else 0.0,
        parts=[] if works is None or whole is None else _parts(sums, works, whole.us),
    )


def _components(rows: Sequence[ComponentRow]) -> Counter[str]:
    """Steady GPU time by component, in nanoseconds."""
    sums: Counter[str] = Counter()
    for row in rows:
        if row.phase == STEADY:
            sums[row.component] += row.gpu_ns
    return +sums


def _kinds(categories: Sequence[CategoryRow], kernels: Sequence[Kernel]) -> Counter[str]:
    """Steady GPU time by category, copies between CPU and GPU as one, and what has none by its kernel."""
    words = dict.fromkeys(_BOTH_WAYS, _COPIES) | {_OTHER: _of_no_kind(kernels)}
    sums: Counter[str] = Counter()
    for row in categories:
        sums[words.get(row.category, row.category)] += row.gpu_ns
    return +sums


def _of_no_kind(kernels: Sequence[Kernel]) -> str:
    """The kernel that takes most of the time of those that are of no known kind."""
    others = [row for row in kernels if row.category == _OTHER]
    most = max(others, key=lambda row: row.total_us, default=None)
    if most is None or 2 * most.total_us < sum(row.total_us for row in others):
        return UNKNOWN
    return f"{KERNEL}{most.short_name}"


def _largest(what: Literal["component", "kind"], sums: Counter[str]) -> Largest | None:
    """The largest of a sum; None where it is what belongs to nothing."""
    (label, most), *_ = sums.most_common(1) or [(_OTHER, 0)]
    return None if label == _OTHER else Largest(what, label, most / sums.total())


def _parts(sums: Counter[str], works_us: float, whole_us: float) -> list[VerdictPart]:
    """The largest parts of the GPU's work, the rest of it, and idle time; they sum to the iteration."""
    scale = works_us / sums.total()
    large = [
        pair for pair in sums.most_common() if pair[0] != _OTHER and pair[1] * scale >= _LEAST * whole_us
    ]
    named = large[:_LARGEST]
    rest = sums.total() - sum(ns for _, ns in named)
    parts = [VerdictPart(name=in_words(label), us=ns * scale, is_idle=False) for label, ns in named]
    if rest:
        parts.append(VerdictPart(name="other GPU work", us=rest * scale, is_idle=False))
    return [*parts, VerdictPart(name="GPU idle", us=max(0.0, whole_us - works_us), is_idle=True)]
