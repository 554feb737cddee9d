"""How quantities are written for people: one place, so that every report agrees.

Three significant digits throughout: the exact values are in `report.json`. A narrow no-break space
(U+202F) separates figure and unit, and groups of thousands, so that neither is ever torn apart by a
line break.
"""

from __future__ import annotations

NARROW_SPACE = "\u202f"
MISSING = "\u2013"
"""An en dash: nothing to show."""
_TIME_UNITS = ((1e6, "s", 1e5), (1e3, "ms", 1e3), (1.0, "µs", 0.0))
"""Microseconds in the unit, its name, and the duration from which it is used."""


def duration(us: float | None) -> str:
    """Microseconds as `0.187 s`, `1.94 ms` or `12.3 µs`; a dash when there is none.

    Seconds begin at a tenth, so that an image of 187 ms compares at a glance with one of 82 s.
    """
    if us is None:
        return MISSING
    if us == 0:
        return f"0{NARROW_SPACE}s"
    size = _rounded(abs(us))
    scale, unit = next((scale, unit) for scale, unit, least in _TIME_UNITS if size >= least)
    return f"{'-' if us < 0 else ''}{_figure(size / scale)}{NARROW_SPACE}{unit}"


def percent(part: float, whole: float) -> str:
    """`part` of `whole` as `84.4 %`; a dash of nothing, `<0.01 %` for a trace of something."""
    return share(100.0 * part / whole) if whole else MISSING


def share(pct: float | None) -> str:
    """A percentage that is already computed, written like `percent`."""
    if pct is None:
        return MISSING
    if 0 < abs(pct) < 0.01:
        return f"<0.01{NARROW_SPACE}%"
    digits = 2 if 0 < abs(pct) < 1 else 1
    return f"{pct:.{digits}f}{NARROW_SPACE}%"


def count(number: float) -> str:
    """A count with thin separators: `1 884 731`."""
    whole = f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"
    return whole.replace(",", NARROW_SPACE)


def size(amount: float) -> str:
    """Bytes in binary units: `4.07 GiB`, `512 MiB`, `17 B`."""
    return _scaled(amount, 1024.0, ("B", "KiB", "MiB", "GiB", "TiB"))


def flops(amount: float) -> str:
    """Floating point operations in decimal units: `2.81 TFLOP`; a dash when none were counted."""
    return (
        _scaled(amount, 1000.0, ("FLOP", "KFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP")) if amount else MISSING
    )


def factor(ratio: float) -> str:
    """A speed ratio: `2.41` and a multiplication sign."""
    return f"{ratio:.2f}\u00d7"


def _scaled(amount: float, step: float, names: tuple[str, ...]) -> str:
    power = 0
    while abs(_rounded(amount)) >= step and power < len(names) - 1:
        amount, power = amount / step, power + 1
    return f"{_figure(amount) if power else f'{amount:g}'}{NARROW_SPACE}{names[power]}"


def _rounded(value: float) -> float:
    """Three significant digits, so that 999.7 µs chooses its unit as 1000 µs would."""
    return float(f"{value:.3g}") if abs(value) < 1e6 else value


def _figure(value: float) -> str:
    """Three significant digits without an exponent, thousands grouped."""
    if abs(value) >= 999.5:
        return f"{value:,.0f}".replace(",", NARROW_SPACE)
    digits = next(digits for digits, least in enumerate((99.95, 9.995, 0.9995, 0.0)) if abs(value) >= least)
    return f"{value:.{digits}f}"
