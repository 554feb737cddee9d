"""Names come from traces, and traces from anywhere: what makes a name safe and short enough to show."""

from __future__ import annotations

import re

ELLIPSIS = "…"
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls, terminal escapes, characters that reorder or hide text, and lone surrogates."""
_WORDS = re.compile(r"[^-_.+=/]*[-_.+=/]+|[^-_.+=/]+")


def visible(text: str) -> str:
    r"""Spell out what would not be seen or would act: an escape becomes the four letters `\x1b`.

    The result can be encoded as UTF-8, printed on a terminal and put on one line. Ordinary names,
    of any script, come back unchanged.
    """
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


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
