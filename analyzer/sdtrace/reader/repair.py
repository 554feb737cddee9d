"""Make valid JSON of text that profilers wrote without escaping it."""

from __future__ import annotations

import re
from typing import Final

_STRING_OR_CONSTANT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity|(?<![\d.])0+(?=\d)', re.DOTALL)
_VALID_ESCAPES: Final = re.compile(r'(?:[^\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_SURROGATE: Final = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_NAME: Final = re.compile(rb'"name"\s*:\s*"')
_NAME_END: Final = re.compile(rb'"\s*(?:,\s*"(?:ph|cat|name|pid|tid|ts|dur|args|id|bp|s)"\s*:|\})')
_BARE_QUOTE: Final = re.compile(rb'(?<!\\)"')


def repair_strings(text: bytes) -> bytes:
    """`text` with every string valid, where each begins and ends as JSON says, and NaN and Infinity as text.

    Zeros before the other digits of a number are left out.
    Bytes that are no UTF-8 are replaced, control characters escaped. In a string with an escape that JSON
    has not, such as a path of Windows, all backslashes stand for themselves.
    """
    return _STRING_OR_CONSTANT.sub(_repaired, text.decode("utf-8", "replace")).encode()


def _repaired(found: re.Match[str]) -> str:
    string = found[0]
    if string[0] == "0":
        return ""
    if string[0] != '"':
        return f'"{string}"'
    if not _VALID_ESCAPES.fullmatch(string):
        string = _ESCAPE.sub(_as_it_stands, string)
    string = _SURROGATE.sub(lambda half: "?" if half[1] else half[0], string)
    return _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", string)


def _as_it_stands(escape: re.Match[str]) -> str:
    if escape[1] == '"':
        return escape[0]
    return "\\\\\\\\" if escape[1] == "\\" else "\\\\" + escape[1]


def repair_names(text: bytes) -> bytes:
    """`text` with the quotes inside names escaped: torch did not before 2026-07."""
    parts: list[bytes] = []
    at = 0
    while (begin := _NAME.search(text, at)) and (end := _NAME_END.search(text, begin.end())):
        parts += [text[at : begin.end()], _BARE_QUOTE.sub(rb"\"", text[begin.end() : end.start()])]
        at = end.start()
    return b"".join((*parts, text[at:]))
