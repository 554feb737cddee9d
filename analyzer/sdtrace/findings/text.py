"""Times and lists in the words of findings."""

from __future__ import annotations

from collections.abc import Sequence


def seconds(ns: float) -> str:
    """A time in the unit that reads best, three significant digits: 69.8 s, 187 ms, 4.2 µs."""
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if abs(ns) >= size:
            return f"{_three(ns / size)} {unit}"
    return f"{_three(ns / 1e3)} µs"


def percent(part: float, whole: float) -> str:
    """A share: `84 %`, `0.4 %`."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names as code, the first few of them: `a`, `b` and 4 more."""
    shown = ", ".join(f"`{name.replace('`', chr(39))}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _three(value: float) -> str:
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
