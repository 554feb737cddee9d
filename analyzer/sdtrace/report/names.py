"""Names come from traces, and traces from anywhere: what makes a name safe and short enough to show."""

from __future__ import annotations

import re

from sdtrace.safe_text import visible

__all__ = ["ELLIPSIS", "breakable", "code_spans", "shorten", "visible"]

ELLIPSIS = "…"
_WORDS = re.compile(r"[^-_.+=/]*[-_.+=/]+|[^-_.+=/]+")


def shorten(text: str, width: int) -> str:
    """`text` within `width` characters: its middle gives way, because kernel names differ at both ends."""
    if len(text) <= width:
        return text
    tail = max((width - 1) // 3, 0)
    return text[: width - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def breakable(text: str) -> list[str]:
    """The pieces between which a long name may go on to the next line: each ends in what joins words."""
    return _WORDS.findall(text)


def code_spans(text: str) -> list[tuple[bool, str]]:
    """Split prose at its backticks into `(is_code, piece)`; an unpaired backtick stays a character."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        pieces[-2:] = ["`".join(pieces[-2:])]
    return [(index % 2 == 1, piece) for index, piece in enumerate(pieces) if piece]
