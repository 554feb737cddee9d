"""Names the nearest valid name to one that was mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'X'?)` when some known name is close to `name` in any case, else nothing.

    Of several that are close it takes the one that begins most like `name`.
    """
    from difflib import get_close_matches  # noqa: PLC0415  # only a mistake needs it

    typed, by_typed = name.casefold(), {one.casefold(): one for one in known}
    close = get_close_matches(typed, list(by_typed), cutoff=0.5)
    if not close:
        return ""
    return f" (did you mean {by_typed[max(close, key=lambda one: _common_start(typed, one))]!r}?)"


def _common_start(a: str, b: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
