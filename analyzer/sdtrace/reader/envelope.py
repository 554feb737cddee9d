"""What stands around the events: the keys of the file beside `traceEvents`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.events import ERRORS
from sdtrace.reader.foreign import describe, describe_json, describe_text
from sdtrace.reader.repair import repair_strings
from sdtrace.safe_text import visible

_EVENTS_KEY: Final = re.compile(rb'"traceEvents"\s*:\s*\[')
_ESCAPED_KEY: Final = re.compile(
    b'"%b"\\s*:\\s*\\[' % b"".join(b"(?:%c|\\\\u00(?i:%02x))" % (code, code) for code in b"traceEvents")
)
"""The same where letters of the key are written as escapes."""
_DEEPEST: Final = 4
_FIRST_EVENT: Final = re.compile(rb'("traceEvents"\s*:\s*\[)\s*\{\s*"(?:ph|cat|name|pid|tid|ts)"\s*:')
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"
_MAX_HEAD_BYTES: Final = 64 << 20
_MAX_CANDIDATES: Final = 20
"""Places in the head of a file that may be the key of the events, but may stand in a nested object."""
_LONGEST_KEY: Final = 40
_MAX_LENIENT_BYTES: Final = 4 << 20
_MAX_VALUE_BYTES: Final = 1 << 20
"""What stands beside the events is read whole; one value takes many times its text in memory."""
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Beginning(NamedTuple):
    """What stands before the first event, as text and as values, and the start of the events' text."""

    head: bytes
    top_level: dict[str, Any]
    events: bytes
    is_array: bool = False
    is_damaged: bool = False


def read_beginning(path: Path, blocks: Iterator[bytes]) -> Beginning:
    """Read up to the first event. Raises UnreadableTrace, one line long, when this is no trace."""
    text = b""
    for block in blocks:
        text += block
        start = text.lstrip(_BLANKS)[:1]
        if describe(text):
            break
        if start == b"[":
            end = text.index(b"[") + 1
            return Beginning(text[:end], {}, text[end:], is_array=True)
        beginning = _of_object(text, _EVENTS_KEY) or _of_object(text, _ESCAPED_KEY) or _of_inner_object(text)
        if beginning is not None:
            return beginning
        if damaged := _FIRST_EVENT.search(text):
            return Beginning(text[: damaged.end(1)], {}, text[damaged.end(1) :], is_damaged=True)
        if len(text) > _MAX_HEAD_BYTES or (start and start != b"{"):
            break
    raise UnreadableTrace(f"{path}: {_no_trace(path, text)}")


def _of_object(text: bytes, key: re.Pattern[bytes]) -> Beginning | None:
    """The beginning of an object whose events stand under `key`; None where `text` does not hold it."""
    for found in islice(key.finditer(text), _MAX_CANDIDATES):
        head = text[: found.end()]
        top_level = parse_object(head + b"]}")
        if top_level is not None:
            top_level.pop("traceEvents", None)
            return Beginning(head, top_level, text[len(head) :])
    return None


def _of_inner_object(text: bytes) -> Beginning | None:
    """The same where the events stand in an object within others, as programs hand traces on."""
    found = _EVENTS_KEY.search(text)
    if found is None:
        return None
    head = text[: found.end()]
    is_inner = any(parse_object(head + b"]" + b"}" * depth) is not None for depth in range(2, _DEEPEST + 1))
    return Beginning(head, {}, text[len(head) :], is_array=True) if is_inner else None


def _no_trace(path: Path, text: bytes) -> str:
    expected = "expected what torch.profiler's export_chrome_trace writes"
    if not text:
        return "is empty"
    if not text.strip(_BLANKS):
        return f"holds nothing but blanks; {expected}"
    if known := describe(text) or describe_json(text):
        return known
    if text.lstrip(_BLANKS)[:1] != b"{":
        return f"{describe_text(path, text)}; {expected}"
    values = parse_object(text)
    if values is None:
        return f"is not valid JSON and has no traceEvents; {expected}"
    key = visible(next(iter(values), "")[:_LONGEST_KEY])
    named = f" with `{key}`" if key and "traceEvents" not in values else ""
    return f"is JSON{named} but has no traceEvents; {expected}"


def parse_object(text: bytes) -> dict[str, Any] | None:
    """The object that `text` is, without values of more than 1 MiB; None when it is none.

    Its strings are repaired where that makes it valid JSON; NaN becomes text.
    """
    text = text.removeprefix(b"\xef\xbb\xbf")
    for valid in (bytes, repair_strings) if len(text) <= _MAX_LENIENT_BYTES else (bytes,):
        with suppress(*ERRORS):
            return _values(valid(text))
    return None


def _values(text: bytes) -> dict[str, Any]:
    raws = _decode_object(text)
    values: dict[str, Any] = {}
    for key, raw in raws.items():
        # A number too large for a float, 1e400, costs its own value alone.
        with suppress(msgspec.DecodeError):
            values |= {key: msgspec.json.decode(raw)} if len(raw) <= _MAX_VALUE_BYTES else {}
    return values
