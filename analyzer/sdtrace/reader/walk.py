"""Decode a stretch of an event array whatever its layout, and what can be saved of a damaged one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from sdtrace.reader.events import Event, EventTable

_decode_events = msgspec.json.Decoder(list[Event]).decode
_lenient = json.JSONDecoder(strict=False, parse_float=str, parse_constant=str)
_KEYS: Final = r'"(?:ph|cat|name|pid|tid|ts|dur|args|id|bp|s)"\s*:'
_BOUNDARY: Final = re.compile(r"\}\s*,\s*(?=\{\s*" + _KEYS + ")")
_BYTE_BOUNDARY: Final = re.compile(rb"\}\s*,\s*(?=\{\s*" + _KEYS.encode() + rb")")
_NAME: Final = re.compile(r'("name"\s*:\s*")(.*?)("\s*(?:,\s*' + _KEYS + r"|\}))", re.DOTALL)
_BARE_QUOTE: Final = re.compile(r'(?<!\\)"')
_BETWEEN: Final = re.compile(r"[\s,]*")
_LOOK_BACK: Final = 1 << 16


class Walked(NamedTuple):
    """What is left of the text: `rest` after the array's end (None while inside), `carry` to see again."""

    rest: str | None
    carry: bytes
    cut: bool
    """The text ended inside an event, which is lost."""


def decode_block(block: bytes, table: EventTable, *, final: bool) -> Walked:
    """Add the events of `block` to `table`. Without `final`, an unfinished last event is carried."""
    end = len(block) if final else _last_boundary(block)
    if end and _decode_plain(block[:end], table):
        return Walked(None, block[end:], cut=False)
    return _walk(block.decode("utf-8", "replace"), table, final=final)


def decode_single(text: bytes, table: EventTable) -> None:
    """Add the one event of `text`; count it as skipped when it cannot be understood."""
    if not _decode_plain(text, table) and not _decode_repaired(text.decode("utf-8", "replace"), table):
        table.skip()


def _last_boundary(block: bytes) -> int:
    """The offset of the last place where one event seems to end and another to begin; 0 if none."""
    start = len(block)
    while start > 0:
        start = max(0, start - _LOOK_BACK)
        found = list(_BYTE_BOUNDARY.finditer(block, start))
        if found:
            return found[-1].end()
    return 0


def _decode_plain(text: bytes, table: EventTable) -> bool:
    """Whole, valid events: the fast way. Adds nothing and says False when the text is not that."""
    try:
        events = _decode_events(b"[" + text.strip().rstrip(b",") + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    table.extend(events)
    return True


def _walk(text: str, table: EventTable, *, final: bool) -> Walked:
    """Event by event, from one damage to the next."""
    at = 0
    while True:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if at >= len(text):
            return Walked(None, b"", cut=False)
        if text[at] == "]":
            return Walked(text[at + 1 :], b"", cut=False)
        if (after := _decode_at(text, at, table)) is None:
            boundary = _BOUNDARY.search(text, at)
            if boundary is None:
                return _unfinished(text, at, table, final=final)
            segment = text[at : boundary.start() + 1]
            if not _decode_repaired(segment, table):
                table.skip()
            after = boundary.end()
        at = after


def _unfinished(text: str, at: int, table: EventTable, *, final: bool) -> Walked:
    """The last stretch: more may come, or a damaged event ends the array, or the file was cut."""
    if not final:
        return Walked(None, text[at:].encode(), cut=False)
    end = re.search(r"\}\s*\]", text[at:])
    if end is None:
        return Walked(None, b"", cut=True)
    if not _decode_repaired(text[at : at + end.start() + 1], table):
        table.skip()
    return Walked(text[at + end.end() :], b"", cut=False)


def _decode_at(text: str, at: int, table: EventTable) -> int | None:
    """Decode the value at `at`; its end, or None when it is not valid."""
    try:
        value, end = _lenient.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    _add_value(value, table)
    return end


def _decode_repaired(segment: str, table: EventTable) -> bool:
    """Decode an event whose name has unescaped quotes, as torch wrote them before 2026-07."""
    repaired = _NAME.sub(lambda m: m[1] + _BARE_QUOTE.sub(r"\"", m[2]) + m[3], segment)
    try:
        value, _ = _lenient.raw_decode(repaired)
    except (ValueError, RecursionError):
        return False
    _add_value(value, table)
    return True


def _add_value(value: object, table: EventTable) -> None:
    if not isinstance(value, Mapping):
        table.skip()
        return
    fields: dict[str, Any] = {key: value[key] for key in ("ph", "cat", "name", "pid", "tid") if key in value}
    raws = {key: _raw(value[key]) for key in ("ts", "dur", "args") if key in value}
    table.add(Event(**fields, **raws))


def _raw(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(value.encode() if isinstance(value, str) else msgspec.json.encode(value))
    except (UnicodeEncodeError, OverflowError, RecursionError):
        return msgspec.Raw(b"null")
