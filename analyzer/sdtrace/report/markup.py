"""Text from a trace as Markdown that shows it and does nothing else, and can still be read unrendered."""

from __future__ import annotations

import re

from sdtrace.report.names import code_spans, shorten, visible

_LONGEST = 160
_ACTING = re.compile(
    r"[\\`*\[\]<>&|~$@]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # An underscore within a word is no emphasis.
    r"|#(?=\d)|:(?=//)|(?<=\bwww)\.",  # Issue numbers and addresses become links on their own.
    re.IGNORECASE,
)
_ESCAPED = frozenset("\\`*_[]~#")
_OPENING = re.compile(r"^(\s*\d+(?=[.)](?:\s|$))|\s*(?=[-+=#]))(.)")
_ACTING_IN_CODE = re.compile(r"[^\w\s(),.;/=+\"'-]|[_#:.@]")
_PLAIN_CODE = re.compile(r"[^`|\\<>&]+")


def code(name: str, width: int = _LONGEST) -> str:
    """A name in code style, at most `width` characters of it.

    A code span where nothing in the name can end it or a table's cell; else a `<code>` element in
    which every character of meaning, to Markdown or to HTML, is a character reference.
    """
    text = shorten(visible(name).strip(), width)
    if _PLAIN_CODE.fullmatch(text):
        return f"`{text}`"
    return f"<code>{_ACTING_IN_CODE.sub(_reference, text)}</code>" if text else ""


def plain(text: str) -> str:
    """Text within a line, in which no character has a meaning to Markdown or to HTML."""
    return _ACTING.sub(_inert, visible(text))


def prose(text: str) -> str:
    """Like `plain`, but what stands in backticks becomes code."""
    return "".join(code(piece) if is_code else plain(piece) for is_code, piece in code_spans(visible(text)))


def line(text: str) -> str:
    """Like `prose`, and what would begin a list, heading or rule at the start of a line does not."""
    return _OPENING.sub(lambda match: f"{match[1]}\\{match[2]}", prose(text))


def _inert(match: re.Match[str]) -> str:
    return f"\\{match[0]}" if match[0] in _ESCAPED else _reference(match)


def _reference(match: re.Match[str]) -> str:
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(match[0], f"&#{ord(match[0])};")
