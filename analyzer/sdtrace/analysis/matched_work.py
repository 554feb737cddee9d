"""The same device work in two traces, also where one ran op by op and the other compiled.

A compiler fuses ops and renames kernels, but a product stays a product of the same size in the same part
of the model. So work is matched within a component: first by op and shapes; then products, convolutions
and attention by the FLOPs of a call; and all that is left of a component is one match.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

import numpy as np

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.attribution.host import sum_by
from sdtrace.breakdowns.components import OUTSIDE
from sdtrace.breakdowns.short_names import short_name
from sdtrace.model.compare import Match
from sdtrace.phases.timeline import STEADY

_FAMILIES: Final = (
    ("convolution", re.compile(r"conv", re.IGNORECASE)),
    ("attention", re.compile(r"attention|attn|flash|sdp", re.IGNORECASE)),
)
"""What computes; all else with FLOPs is a product of matrices."""
_SHOWN: Final = 3
"""So many names stand for the rest of a component."""
By = Literal["shape", "flops", "component"]


class Item(NamedTuple):
    """Steady device work of one op and shapes in one component; all calls together, nanoseconds.

    `flops` is of a call, 0 where it is not known; `dims` is '' where shapes were not recorded.
    """

    component: str
    op: str
    dims: str
    flops: int
    calls: int
    ns: int


class Items(NamedTuple):
    """All steady device work of a trace, in as many iterations."""

    iterations: int
    items: list[Item]


class _Side(NamedTuple):
    base: list[Item]
    other: list[Item]


def steady_items(work: WorkStudy) -> Items:
    """The steady device work of a trace by component, op and shapes."""
    study, named = work.study, work.named
    linked = study.linked
    picked = np.flatnonzero(study.phases.work_mask(STEADY))
    names = [*study.structure.components.names, OUTSIDE]
    component = study.structure.components.of_work(study.structure.launches)[picked]
    component[component < 0] = len(names) - 1
    rows = linked.work.row[picked]
    kind = named.kind[picked]
    what = np.where(kind >= 0, kind, len(named.kinds) + study.trace.name[rows].astype(np.int64))
    span = len(named.kinds) + len(study.trace.names)
    code, which = np.unique(component * span + what, return_inverse=True)
    ns = sum_by(which, study.trace.dur_ns[rows], len(code)).tolist()
    call = np.where(named.call[picked] >= 0, named.call[picked], -1 - np.arange(len(picked)))
    ones = np.unique(np.stack((which, call)), axis=1)[0] if len(picked) else which
    calls = np.bincount(ones, minlength=len(code)).tolist()
    items = [
        Item(names[place // span], *_what(work, place % span), count, spent)
        for place, count, spent in zip(code.tolist(), calls, ns, strict=True)
    ]
    return Items(len(study.steady), items)


def _what(work: WorkStudy, number: int) -> tuple[str, str, int]:
    """Op, shapes and FLOPs of a call; of work without an op the kernel's name."""
    if number < len(work.works):
        found = work.works[number]
        return found.kind.op, found.dims, found.flops
    return work.study.trace.names[number - len(work.works)], "", 0


def matches(base: Items, other: Items) -> list[Match]:
    """Work of both sides in pairs, the largest change first; [] where one has no steady device work.

    They sum to all steady device work of each side: nothing is left out or counted twice.
    """
    if not (base.items and other.items and base.iterations and other.iterations):
        return []
    found: list[Match] = []
    left = _Side(base.items, other.items)
    for by, key in (("shape", _by_shape), ("flops", _by_flops), ("component", _by_component)):
        pairs, left = _paired(left, key, is_last=by == "component")
        found += [_match(by, pair, base.iterations, other.iterations) for pair in pairs]  # type: ignore[arg-type]
    return sorted(found, key=lambda match: (-abs(match.change_us), match.component, match.base_work))


def _by_shape(item: Item) -> Hashable:
    return (item.component, item.op, item.dims) if item.dims else None


def _by_flops(item: Item) -> Hashable:
    return (item.component, _family(item.op), item.flops) if item.flops else None


def _by_component(item: Item) -> Hashable:
    return item.component


def _family(op: str) -> str:
    return next((name for name, pattern in _FAMILIES if pattern.search(op)), "product")


def _paired(side: _Side, key: Callable[[Item], Hashable], *, is_last: bool) -> tuple[list[_Side], _Side]:
    """Items with one key on both sides, and those that have no partner; at last none is left."""
    ours, theirs = _grouped(side.base, key), _grouped(side.other, key)
    keys = list(dict.fromkeys([*ours, *theirs]))
    both = [each for each in keys if each is not None and (is_last or (each in ours and each in theirs))]
    pairs = [_Side(ours.get(each, []), theirs.get(each, [])) for each in both]
    done = set(both)
    left = _Side(*([item for item in items if key(item) not in done] for items in side))
    return pairs, left


def _grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> Mapping[Hashable, list[Item]]:
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _match(by: By, pair: _Side, base_iterations: int, other_iterations: int) -> Match:
    some = (pair.base or pair.other)[0]
    base_us = sum(item.ns for item in pair.base) / base_iterations / 1000
    other_us = sum(item.ns for item in pair.other) / other_iterations / 1000
    return Match(
        component=some.component,
        by=by,
        base_work=_told(by, pair.base),
        other_work=_told(by, pair.other),
        base_us=base_us,
        other_us=other_us,
        change_us=other_us - base_us,
        base_calls=sum(item.calls for item in pair.base) / base_iterations,
        other_calls=sum(item.calls for item in pair.other) / other_iterations,
    )


def _told(by: By, items: list[Item]) -> str:
    """The work in words: the op with its shapes, or the longest ops of several."""
    longest = sorted(items, key=lambda item: -item.ns)
    if by != "component":
        return f"{_op(longest[0])} {longest[0].dims.split(', ')[0]}".strip()
    names: Counter[str] = Counter()
    for item in longest:
        names[_op(item)] += item.ns
    shown = [name for name, _ in names.most_common(_SHOWN)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"


def _op(item: Item) -> str:
    return item.op.removeprefix("aten::") if item.op.startswith("aten::") else short_name(item.op)
