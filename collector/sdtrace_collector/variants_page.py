"""What `sdtrace variants` prints. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Final

from sdtrace_collector.variants import AXES, BASE, EXACT, LOSSY, ROUNDING, Axis, Variant

_HEAD: Final = f"""\
Each variant, what it does to the picture, and what it sets: on a variant above
it ("bf16_sdpa with ..."), or else on {BASE}.
"""
_PICTURE: Final = f"""\
The picture, against that of {BASE}, is exact; or equal up to rounding; or
lossy, where work is left out. `sdtrace collect` compares it: PSNR in the trace.
"""
_AXES: Final = f"Axes, for --set AXIS=VALUE; the first value is that of {BASE}:\n"
_SHORT: Final = {EXACT: EXACT, ROUNDING: "rounding", LOSSY: LOSSY}
_WORTH: Final = 3
"""Settings saved that make up for another variant's name."""
_NARROWEST: Final = 30
"""Characters of the last column, at least."""


def variants_page(known: Mapping[str, Variant], width: int) -> str:
    """The variants and the axes, in lines of `width` characters."""
    above: list[Variant] = []
    rows = []
    for name, variant in known.items():
        rows.append((name, _SHORT[variant.axes.effect], described(variant, above)))
        above.append(variant)
    parts = (_HEAD, *_lines(rows, width), f"\n{_PICTURE}", _AXES, *_lines(_of_axes(), width))
    return "\n".join(parts)


def described(variant: Variant, above: Iterable[Variant]) -> str:
    """What it sets, on the variant above that is nearest, if that saves some settings; else on the base.

    >>> from sdtrace_collector.variants import VARIANTS
    >>> described(VARIANTS["bf16_sdpa_cudagraphs"], [VARIANTS["bf16_sdpa"]])
    'bf16_sdpa with compile=reduce-overhead'
    """
    changes = variant.changes()
    if not changes:
        return "the base: every axis at its first value"
    steps = [(_moves(variant, other), f"{other.name} with ") for other in above if other.name != BASE]
    best, start = min(steps, key=lambda step: len(step[0]), default=(changes, ""))
    if len(best) > len(changes) - _WORTH:
        best, start = changes, ""
    return start + " ".join(f"{axis}={value}" for axis, value in best.items())


def _moves(variant: Variant, other: Variant) -> dict[str, str]:
    pairs = ((axis.name, getattr(variant.axes, axis.name), getattr(other.axes, axis.name)) for axis in AXES)
    return {name: value for name, value, before in pairs if value != before}


def _of_axes() -> Iterator[tuple[str, ...]]:
    for axis in AXES:
        yield axis.name, ", ".join(axis.values)
        yield "", _meaning(axis)


def _meaning(axis: Axis) -> str:
    others = "".join(f"; {value}: {effect}" for value, effect in axis.others.items())
    return f"{axis.meaning} (picture: {axis.effect}{others})"


def _lines(rows: Iterable[tuple[str, ...]], width: int) -> Iterator[str]:
    """Columns; the last one is broken at spaces alone."""
    rows = list(rows)
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    indent = sum(sizes) + 2 * len(sizes)
    for row in rows:
        first = "".join(f"{cell:<{size}}  " for cell, size in zip(row, sizes, strict=False))
        room = max(_NARROWEST, width - indent)
        for number, line in enumerate(wrap(row[-1], room, break_on_hyphens=False, break_long_words=False)):
            yield f"{' ' * indent if number else first}{line}"
