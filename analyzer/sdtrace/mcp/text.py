"""How answers are written: few tokens, one line for each row, cut where they would be long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sdtrace import units
from sdtrace.analysis.promise import promised
from sdtrace.model import Finding
from sdtrace.safe_text import one_line

CHARS_PER_TOKEN: Final = 4
"""Of English and of tables, about."""
MOST_TOKENS: Final = 1800
"""What an answer takes at most, unless more is asked for."""
_CELL: Final = 100


def fit(text: str, max_tokens: int = MOST_TOKENS) -> str:
    """`text`, of a long one whole lines from its start and how many are left out."""
    room = max(1, max_tokens) * CHARS_PER_TOKEN
    if len(text) <= room:
        return text
    room -= 80
    kept = text[: max(0, room)].rsplit("\n", 1)[0]
    left_out = text.count("\n") - kept.count("\n")
    return f"{kept}\n(cut here; {units.counted(left_out, 'line')} more: ask for less, or set max_tokens)"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: bool = False) -> str:
    """A line of column names and a line a row; long texts are cut unless they are to be `whole`."""
    lines = [" | ".join(columns)]
    lines += [" | ".join(cell(value, whole=whole) for value in row) for row in rows]
    return "\n".join(lines)


def cell(value: object, *, whole: bool = False) -> str:
    """A value on one line: `-` for none, three decimals at most."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    text = one_line(str(value))
    return text if whole or len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def saving(found: Finding) -> str:
    """What a finding saves of a steady iteration, with its range where it has one; '' without any."""
    if found.saving is not None:
        return f"{promised(found.saving)}, by {found.saving.basis}"
    return "" if found.saving_us is None else f"saves {units.duration(found.saving_us)}"
