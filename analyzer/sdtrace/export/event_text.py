"""Change single fields of an event's text; all others keep theirs, to the digit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from sdtrace.export.tracks import microseconds

Fields = dict[str, msgspec.Raw]
STACK: Final = b'"Call stack"'
"""The argument in which torch writes where in Python an op was called."""
_decode = msgspec.json.Decoder(Fields).decode


def fields(text: bytes | msgspec.Raw) -> Fields | None:
    """The values of a JSON object, each as it is written; None when `text` is no object."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def joined(values: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    """A JSON object of values as they are written."""
    return b"{" + b", ".join([_key(key) + bytes(raw) for key, raw in values.items()]) + b"}"


@lru_cache(1 << 12)
def _key(name: str) -> bytes:
    return msgspec.json.encode(name) + b": "


def with_times(text: bytes, start_ns: int, dur_ns: int) -> bytes:
    """An event with another start and duration, in nanoseconds."""
    times = {"ts": microseconds(start_ns).encode(), "dur": microseconds(dur_ns).encode()}
    return joined({**(fields(text) or {}), **times})


def without_stack(text: bytes) -> bytes:
    """An event without the Python stack in its arguments."""
    values = fields(text) or {}
    args = fields(values.get("args", b"")) or {}
    if args.pop("Call stack", None) is None:
        return text
    return joined({**values, "args": joined(args)})
