"""Text that is shown: file names and names from traces may hold anything."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
"""Controls, terminal escapes, characters that reorder or hide text, lone surrogates, and what Unicode says is
no character: pages may not hold it."""


def visible(text: str) -> str:
    r"""Spell out what would not be seen or would act: an escape becomes the four letters `\x1b`.

    The result can be encoded as UTF-8, printed on a terminal and put on one line. Ordinary names,
    of any script, come back unchanged.
    """
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """`text` on one line, with single blanks, and as `visible` shows it."""
    return visible(" ".join(text.split()))
