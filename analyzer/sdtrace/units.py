"""How quantities are written for people: one place, for tables and sentences alike.

Three significant digits throughout: the exact values are in `report.json`. A space stands between figure
and unit, a comma between groups of three digits. `unbroken` keeps figure and unit on one line where a
medium breaks lines by itself.
"""

from __future__ import annotations

import re

NARROW_SPACE = "\u202f"
MISSING = "\u2013"
"""An en dash: there is no value."""
_TIME_UNITS = ((1e6, "s"), (1e3, "ms"), (1.0, "µs"))
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_OPERATIONS = ("FLOP", "KFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP")
_FIGURE_AND_UNIT = re.compile(rf"(?<=\d) (?=(?:s|ms|µs|%|{'|'.join((*_BINARY, *_OPERATIONS))})(?!\w))")


def duration(us: float | None) -> str:
    """Microseconds as `12.3 µs`, `1.94 ms`, `753 ms` or `82.3 s`; a dash when there is no value.

    >>> duration(753_000), duration(82_252_301.6), duration(0)
    ('753 ms', '82.3 s', '0 s')
    """
    if us is None:
        return MISSING
    if us == 0:
        return "0 s"
    size = _rounded(abs(us))
    scale, unit = next((item for item in _TIME_UNITS if size >= item[0]), _TIME_UNITS[-1])
    return f"{'-' if us < 0 else ''}{_figure(size / scale)} {unit}"


def span(low_us: float, high_us: float) -> str:
    """A range of times, the unit once where both have the same.

    >>> span(33_000, 36_700), span(792_000, 1_690_000)
    ('33.0 to 36.7 ms', '792 ms to 1.69 s')
    """
    low, high = duration(low_us), duration(high_us)
    if low == high:
        return low
    figure, _, unit = low.partition(" ")
    return f"{figure} to {high}" if high.endswith(f" {unit}") else f"{low} to {high}"


def percent(part: float, whole: float) -> str:
    """`part` of `whole` as `84.4 %`; a dash where `whole` is nothing.

    >>> percent(1, 3)
    '33.3 %'
    """
    return share(100.0 * part / whole) if whole else MISSING


def share(pct: float | None) -> str:
    """A percentage that is already computed, written like `percent`; `<0.01 %` for a trace of something."""
    if pct is None:
        return MISSING
    if 0 < abs(pct) < 0.01:
        return "<0.01 %"
    digits = 2 if 0 < abs(pct) < 1 else 1 if abs(pct) < 1000 else 0
    return f"{pct:,.{digits}f} %"


def count(number: float | None) -> str:
    """A count with commas: `1,884,731`; one decimal where it is no whole number."""
    if number is None:
        return MISSING
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def counted(number: int, word: str) -> str:
    """A count and what it is of: `1 image`, `3 images`."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def size(amount: float | None) -> str:
    """Bytes in binary units: `4.07 GiB`, `512 MiB`, `17 B`."""
    return MISSING if amount is None else _scaled(amount, 1024.0, _BINARY)


def flops(amount: float | None) -> str:
    """Floating-point operations in decimal units: `2.81 TFLOP`; a dash when none were counted."""
    return _scaled(amount, 1000.0, _OPERATIONS) if amount else MISSING


def factor(ratio: float | None) -> str:
    """A speed ratio: `2.41` and a multiplication sign."""
    return MISSING if ratio is None else f"{ratio:.2f}\u00d7"


def rate(value: float | None) -> str:
    """A rate to three digits, its unit in the header: `0.09`, `3.28`, `788`."""
    if value is None:
        return MISSING
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def unbroken(text: str, glue: str = NARROW_SPACE) -> str:
    """`text` with narrow no-break spaces, or another `glue`, between figures and their units."""
    return _FIGURE_AND_UNIT.sub(glue, text)


def _scaled(amount: float, step: float, names: tuple[str, ...]) -> str:
    power = 0
    while round(abs(amount)) >= step and power < len(names) - 1:
        amount, power = amount / step, power + 1
    return f"{_figure(amount) if power else f'{amount:g}'} {names[power]}"


def _rounded(value: float) -> float:
    """Three significant digits, so that 999.7 µs chooses its unit as 1000 µs would."""
    return float(f"{value:.3g}") if abs(value) < 1e6 else value


def _figure(value: float) -> str:
    """Three significant digits without an exponent, thousands grouped."""
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    digits = next(digits for digits, least in enumerate((99.95, 9.995, 0.9995, 0.0)) if abs(value) >= least)
    return f"{value:.{digits}f}"
