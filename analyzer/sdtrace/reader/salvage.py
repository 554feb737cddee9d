"""Decode events one by one, whatever state they are in: every valid JSON value, and what can be repaired."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from sdtrace.reader.events import EventTable
from sdtrace.reader.repair import repair_names, repair_strings

_BLANK: Final = rb"[\s\x1c-\x1f\xc2\xa0]"
"""More than JSON allows: also separators of ASCII and no-break spaces."""
_EVENT: Final = rb'(?=\{\s*"(?:ph|cat|name|pid|tid|ts|dur|args|id|bp|s)"\s*:)'
_START: Final = re.compile(_EVENT)
_BOUNDARY: Final = re.compile(rb"\}%b*,%b*%b" % (_BLANK, _BLANK, _EVENT))
_BETWEEN: Final = re.compile(rb"(?:,|%b)*" % _BLANK)
_RESUMES: Final = re.compile(rb"\s*,?\s*\{")
_LAST_EVENT_END: Final = re.compile(rb"\}\s*\]")
_OPEN, _END = b"{]"
_scan = json.JSONDecoder(strict=False).raw_decode
_LOOK_BACK: Final = 1 << 16
_OVERLAP: Final = 1 << 8
_FIRST_WINDOW: Final = 1 << 14
_GROWTH: Final = 4
_NEVER_WRITTEN: Final = b"\0" * 64
"""What a file system leaves in a file that a crashed machine was writing."""
_MAX_DAMAGED: Final = 20_000
"""More events beyond repair than this in one chunk, and the rest of the file is not worth the time."""
_NEAR_END: Final = 16
"""An error this near to the end of the text may only mean that the text ends."""


class Walk(NamedTuple):
    """Where decoding stopped: an offset, between two events."""

    end: int
    is_over: bool = False
    """The array of events ends there."""
    is_cut: bool = False
    """The text ends inside an event, which is lost."""


def last_boundary(block: bytes) -> int:
    """The offset of the last place where one event seems to end and another to begin; 0 if none."""
    for end in range(len(block), 0, -_LOOK_BACK):
        found = list(_BOUNDARY.finditer(block, max(0, end - _LOOK_BACK), end + _OVERLAP))
        if found:
            return found[-1].end()
    return 0


def walk(text: memoryview, at: int, until: int, table: EventTable, *, final: bool) -> Walk:
    """Add the events from offset `at` up to offset `until` to `table`, also the one that lies across it.

    Stops earlier where the array ends, and at an event that the text ends in. With `final` no text follows.
    """
    while table.damaged <= _MAX_DAMAGED:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if at >= min(until, len(text)):
            return Walk(at)
        if text[at : at + len(_NEVER_WRITTEN)] == _NEVER_WRITTEN:
            break
        if text[at] == _END:
            if not final and len(text) - at <= _OVERLAP:
                return Walk(at)
            if not _RESUMES.match(text, at + 1):
                return Walk(at + 1, is_over=True)
            at += 1
            continue
        end = _add_value(text, at, table, final=final)
        if end is None and not final:
            return Walk(at)
        if end is None:
            break
        at = end
    return Walk(at, is_cut=True)


def _add_value(text: memoryview, at: int, table: EventTable, *, final: bool) -> int | None:
    """Add the value at `at`; returns its end, None when the text ends before it does."""
    window = _FIRST_WINDOW
    while True:
        size, is_open = _measure(str(text[at : at + window], "latin-1"))
        if not is_open or at + window >= len(text):
            break
        window *= _GROWTH
    if is_open and not final:
        return None
    if size is None or is_open:
        return _add_damaged(text, at, table, final=final)
    if not table.add(bytes(text[at : at + size])):
        table.skip()
    return at + size


def _measure(text: str) -> tuple[int | None, bool]:
    """The length of the value that begins `text`, None for none; and whether more text may change that."""
    try:
        _, end = _scan(text)
    except json.JSONDecodeError as error:
        return None, error.msg.startswith("Unterminated string") or error.pos >= len(text) - _NEAR_END
    except (ValueError, RecursionError):
        return None, False
    return end, end == len(text) and text[-1] not in '}]"'


def _add_damaged(text: memoryview, at: int, table: EventTable, *, final: bool) -> int | None:
    """Repair the event at `at`, or count it as skipped; returns where the next one starts."""
    is_object = text[at] == _OPEN
    boundary = (_BOUNDARY if is_object else _START).search(text, at)
    if boundary is None and final:
        boundary = _LAST_EVENT_END.search(text, at)
    if boundary is None:
        return None
    after = boundary.start() + (boundary.re is not _START)
    if not is_object or not _add_repaired(bytes(text[at:after]), table):
        table.skip(is_damaged=True)
    return max(at + 1, after)


def _add_repaired(segment: bytes, table: EventTable) -> bool:
    """Add an event whose strings are not escaped; what follows it counts as one more, skipped."""
    for candidate in (segment, repair_names(segment)):
        repaired = repair_strings(candidate).decode()
        try:
            _, end = _scan(repaired)
        except (ValueError, RecursionError):
            continue
        if not table.add(repaired[:end].encode()):
            table.skip()
        if repaired[end:].strip(", \r\n\t"):
            table.skip(is_damaged=True)
        return True
    return False
