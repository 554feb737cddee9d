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
_START: Final = re.compile(r"(?=\{\s*" + _KEYS + ")")
_BYTE_BOUNDARY: Final = re.compile(rb"\}\s*,\s*(?=\{\s*" + _KEYS.encode() + rb")")
_NAME: Final = re.compile(r'"name"\s*:\s*"')
_NAME_END: Final = re.compile(r'"\s*(?:,\s*' + _KEYS + r"|\})")
_BARE_QUOTE: Final = re.compile(r'(?<!\\)"')
_BETWEEN: Final = re.compile(r"[\s,]*")
_RESUMES: Final = re.compile(r"\s*,?\s*\{")
_LOOK_BACK: Final = 1 << 16
_OVERLAP: Final = 1 << 8
_MAY_BE_UNFINISHED: Final = 1 << 20
"""An event this near to the end of a block may look damaged only because the block ends."""
_MAX_DAMAGED: Final = 20_000
"""More damaged events than this in one block, and the rest of the file is not worth the time."""


class Walked(NamedTuple):
    """What is left of the text: `rest` after the array's end (None while inside), `carry` to see again."""

    rest: str | None
    carry: bytes
    cut: bool
    """The text ended inside an event, which is lost, or is damaged beyond reading on."""


def decode_block(block: bytes, table: EventTable, *, final: bool) -> Walked:
    """Add the events of `block` to `table`. Without `final`, an unfinished last event is carried."""
    end = _last_boundary(block)
    if end and _decode_plain(block[:end], table):
        block = block[end:]
        if not final:
            return Walked(None, block, cut=False)
    return _walk(block.decode("utf-8", "replace"), table, final=final)


def decode_single(text: bytes, table: EventTable) -> None:
    """Add the one event of `text`; count it as skipped when it cannot be understood."""
    if not _decode_plain(text, table) and not _decode_repaired(text.decode("utf-8", "replace"), table):
        table.skip()


def _last_boundary(block: bytes) -> int:
    """The offset of the last place where one event seems to end and another to begin; 0 if none."""
    for end in range(len(block), 0, -_LOOK_BACK):
        found = list(_BYTE_BOUNDARY.finditer(block, max(0, end - _LOOK_BACK), end + _OVERLAP))
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
    at = damaged = 0
    while damaged <= _MAX_DAMAGED:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if at >= len(text):
            return Walked(None, b"", cut=False)
        if text[at] == "]":
            if not _RESUMES.match(text, at + 1):
                return Walked(text[at + 1 :], b"", cut=False)
            after: int | None = at + 1
        else:
            after = _decode_at(text, at, table)
        if after is None:
            damaged += 1
            boundary = (_BOUNDARY if text[at] == "{" else _START).search(text, at)
            if boundary is None or (not final and at > len(text) - _MAY_BE_UNFINISHED):
                return _unfinished(text, at, table, final=final)
            segment = text[at : boundary.start() + 1]
            if text[at] != "{" or not _decode_repaired(segment, table):
                table.skip()
            after = boundary.end()
        at = after
    return Walked(None, b"", cut=True)


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
    """Decode an event whose name has unescaped quotes, as torch wrote them before 2026-07.

    What stands after it in `segment` is counted as one more event, skipped.
    """
    repaired = _with_escaped_names(segment).lstrip()
    try:
        value, end = _lenient.raw_decode(repaired)
    except (ValueError, RecursionError):
        return False
    _add_value(value, table)
    if repaired[end:].strip(", \r\n\t"):
        table.skip()
    return True


def _with_escaped_names(segment: str) -> str:
    parts: list[str] = []
    at = 0
    while (begin := _NAME.search(segment, at)) and (end := _NAME_END.search(segment, begin.end())):
        parts += [segment[at : begin.end()], _BARE_QUOTE.sub(r"\"", segment[begin.end() : end.start()])]
        at = end.start()
    return "".join((*parts, segment[at:]))


def _add_value(value: object, table: EventTable) -> None:
    if not isinstance(value, Mapping):
        table.skip()
        return
    fields = {key: _clean(value[key]) for key in ("ph", "cat", "name", "pid", "tid") if key in value}
    raws = {key: _raw(value[key]) for key in ("ts", "dur", "args") if key in value}
    table.add(Event(**fields, **raws))


def _clean(value: Any) -> Any:
    """`value` itself; a text without the halves of surrogate pairs, which cannot be written anywhere."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _raw(value: object) -> msgspec.Raw:
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "(cannot be read)"
    return msgspec.Raw(text.encode("utf-8", "replace"))
