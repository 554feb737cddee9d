"""Decode events one by one, whatever state they are in: every valid JSON value, and what can be repaired."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from sdtrace.reader.events import EventTable
from sdtrace.reader.repair import repair_names, repair_strings

_KEYS: Final = r'"(?:ph|cat|name|pid|tid|ts|dur|args|id|bp|s)"\s*:'
_BOUNDARY: Final = re.compile(r"\}\s*,\s*(?=\{\s*" + _KEYS + ")")
_START: Final = re.compile(r"(?=\{\s*" + _KEYS + ")")
_BYTE_BOUNDARY: Final = re.compile(rb"\}\s*,\s*(?=\{\s*" + _KEYS.encode() + rb")")
_BETWEEN: Final = re.compile(r"[\s,]*")
_RESUMES: Final = re.compile(r"\s*,?\s*\{")
_LAST_EVENT_END: Final = re.compile(r"\}\s*\]")
_scan = json.JSONDecoder(strict=False).raw_decode
_LOOK_BACK: Final = 1 << 16
_OVERLAP: Final = 1 << 8
_FIRST_WINDOW: Final = 1 << 14
_GROWTH: Final = 4
_NEVER_WRITTEN: Final = "\0" * 64
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
        found = list(_BYTE_BOUNDARY.finditer(block, max(0, end - _LOOK_BACK), end + _OVERLAP))
        if found:
            return found[-1].end()
    return 0


def walk(text: memoryview, at: int, until: int, table: EventTable, *, final: bool) -> Walk:
    """Add the events from offset `at` up to offset `until` to `table`, also the one that lies across it.

    Stops earlier where the array ends, and at an event that the text ends in. With `final` no text follows.
    """
    window = _FIRST_WINDOW
    while at < until:
        stop = min(len(text), at + window)
        piece = str(text[at:stop], "utf-8", "surrogateescape")
        step = _walk_text(piece, until - at, table, final=final and stop == len(text))
        begin, at = at, at + len(piece[: step.end].encode("utf-8", "surrogateescape"))
        if step.is_over or step.is_cut or (at == begin and stop == len(text)):
            return step._replace(end=at)
        window = _FIRST_WINDOW if at > begin else window * _GROWTH
    return Walk(at)


def _walk_text(text: str, until: int, table: EventTable, *, final: bool) -> Walk:
    """Event by event; offsets are in characters."""
    at = 0
    while table.damaged <= _MAX_DAMAGED:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if at >= min(until, len(text)):
            return Walk(at)
        if text.startswith(_NEVER_WRITTEN, at):
            break
        if text[at] == "]":
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


def _add_value(text: str, at: int, table: EventTable, *, final: bool) -> int | None:
    """Add the value at `at`; returns its end, None when the text ends before it does."""
    end, is_open = None, False
    try:
        _, end = _scan(text, at)
        is_open = end == len(text) and text[end - 1] not in '}]"'
    except RecursionError:
        pass
    except ValueError as error:
        is_unterminated = str(error).startswith("Unterminated string")
        is_open = is_unterminated or getattr(error, "pos", at) >= len(text) - _NEAR_END
    if is_open and not final:
        return None
    if end is None or is_open:
        return _add_damaged(text, at, table, final=final)
    if not table.add(text[at:end].encode("utf-8", "surrogateescape")):
        table.skip()
    return end


def _add_damaged(text: str, at: int, table: EventTable, *, final: bool) -> int | None:
    """Repair the event at `at`, or count it as skipped; returns where the next one starts."""
    boundary = (_BOUNDARY if text[at] == "{" else _START).search(text, at)
    if boundary is None:
        boundary = _LAST_EVENT_END.search(text, at) if final else None
        if boundary is None:
            return None
    after = boundary.start() + (boundary.re is not _START)
    if text[at] != "{" or not _add_repaired(text[at:after], table):
        table.skip(is_damaged=True)
    return max(at + 1, after)


def _add_repaired(segment: str, table: EventTable) -> bool:
    """Add an event whose strings are not escaped; what follows it counts as one more, skipped."""
    for candidate in (segment, repair_names(segment)):
        repaired = repair_strings(candidate.encode("utf-8", "surrogateescape")).decode()
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
