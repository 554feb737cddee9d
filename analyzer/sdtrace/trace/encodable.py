"""What stands beside the events may hold anything; a report has to write it as JSON, and compute with it."""

from __future__ import annotations

from typing import Any, Final

from sdtrace.safe_text import visible

_MAX_INT: Final = 2**63
_DEEPEST: Final = 32


def encodable(value: Any, depth: int = 0) -> Any:
    """`value`, a value of JSON, with what JSON cannot carry as text.

    Lone surrogates are spelled out; integers beyond 64 bits and what lies deeper than 32 levels become
    text.
    """
    if isinstance(value, str):
        return value if value.isascii() or _is_utf8(value) else visible(value)
    if isinstance(value, int):
        return value if -_MAX_INT <= value < _MAX_INT else str(value)
    if isinstance(value, dict | list) and depth == _DEEPEST:
        return f"{len(value)} entries, nested too deep"
    if isinstance(value, dict):
        return {encodable(key): encodable(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list):
        return [encodable(entry, depth + 1) for entry in value]
    return value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
