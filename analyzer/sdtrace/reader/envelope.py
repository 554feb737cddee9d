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
from sdtrace.reader.foreign import describe, describe_json
from sdtrace.reader.repair import repair_strings

_EVENTS_KEY: Final = re.compile(rb'"traceEvents"\s*:\s*\[')
_FIRST_EVENT: Final = re.compile(rb'("traceEvents"\s*:\s*\[)\s*\{\s*"(?:ph|cat|name|pid|tid|ts)"\s*:')
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"
_MAX_HEAD_BYTES: Final = 64 << 20
_MAX_CANDIDATES: Final = 20
"""Places in the head of a file that may be the key of the events, but may stand in a nested object."""
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
        for found in islice(_EVENTS_KEY.finditer(text), _MAX_CANDIDATES):
            head = text[: found.end()]
            top_level = parse_object(head + b"]}")
            if top_level is not None:
                top_level.pop("traceEvents", None)
                return Beginning(head, top_level, text[len(head) :])
        if damaged := _FIRST_EVENT.search(text):
            return Beginning(text[: damaged.end(1)], {}, text[damaged.end(1) :], is_damaged=True)
        if len(text) > _MAX_HEAD_BYTES or (start and start != b"{"):
            break
    raise UnreadableTrace(f"{path}: {_no_trace(text)}")


def _no_trace(text: bytes) -> str:
    expected = "expected what torch.profiler's export_chrome_trace writes"
    if not text:
        return "is empty"
    if not text.strip(_BLANKS):
        return f"holds nothing but blanks; {expected}"
    if known := describe(text) or describe_json(text):
        return known
    if text.lstrip(_BLANKS)[:1] != b"{":
        return f"is not JSON, so no trace; {expected}"
    is_valid = parse_object(text) is not None
    return f"{'is JSON but' if is_valid else 'is not valid JSON and'} has no traceEvents; {expected}"


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
