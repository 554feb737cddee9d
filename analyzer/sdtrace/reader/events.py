"""Single events: JSON text to values, and values to rows. What is said here holds for every event."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from decimal import Decimal, DecimalException
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.reader.categories import COPIES, LINKED, NAMED, canonical
from sdtrace.reader.columns import EventKey, Events, Int64s, MemoryEvent, Metadata, from_rows
from sdtrace.reader.repair import repair_strings

_LIMIT: Final = 1 << 62
"""Times and ids beyond this are damage, not data."""
_THREAD_LIMIT: Final = 1 << 64
"""Handles of threads may use all 64 bits."""
_COLLECTIVE: Final = re.compile(r"(?:nccl|gloo|mpi|ucc|xccl|hccl):\w")
"""What `c10d::Work` records for a collective: backend, colon, operation."""
_NOTHING: Final = msgspec.Raw(b"")


class Event(msgspec.Struct):
    """One event as it stands in the file; only what is needed is decoded further."""

    ph: Any = ""
    cat: Any = ""
    name: Any = ""
    pid: Any = 0
    tid: Any = 0
    ts: msgspec.Raw = _NOTHING
    dur: msgspec.Raw = _NOTHING
    args: msgspec.Raw = _NOTHING


_decode_event = msgspec.json.Decoder(Event).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OWN_IDS: Final = ("External id", "Record function id", "Ev Idx", "correlation")
"""Arguments that every event has its own of, where they are integers."""
MOST_OWN_IDS: Final = 3
"""No event has more of them."""
_SIZES: Final = ("grid", "block", "registers per thread", "shared memory")
"""What is kept of a kernel's arguments."""
_OF_MEMORY: Final = ("Bytes", "Total Allocated", "Total Reserved", "Device Type", "Device Id", "Addr")
"""The arguments of an allocation in the order of `MemoryEvent`."""
UNTOLD: Final = (0, 0, -1, 0, 0, 0)
"""What stands for each where it is not told."""


def decode_event(text: bytes) -> Event | None:
    """The event that `text` is, its strings repaired where that makes it valid JSON; else None."""
    for valid in (bytes, repair_strings):
        with suppress(*ERRORS):
            return _decode_event(valid(text))
    return None


def arguments(event: Event) -> dict[str, Any] | None:
    """The arguments, empty when the event has none; None when they are no object."""
    text = bytes(event.args)
    if text in (b"", b"null"):
        return {}
    with suppress(*ERRORS):
        return _decode_object(text)
    try:  # Numbers too large for msgspec, such as 1e400, and lists, which say nothing when they are empty.
        found = json.loads(repair_strings(text))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else {} if found == [] else None


def keeps_args(category: str, name: str, args: dict[str, Any]) -> bool:
    """Whether the arguments of an event are kept: of ops, of annotations of collectives, a kernel's sizes."""
    if category == "kernel":
        return "grid" in args and "external id" not in args  # Files of before 2022 have the latter.
    return category == "cpu_op" or (category == "user_annotation" and bool(_COLLECTIVE.match(name)))


def kept_args(category: str, args: dict[str, Any]) -> str | None:
    """The arguments to keep as compact JSON, without the ids of the event itself; None if none remain.

    Of a kernel only how it was launched.
    """
    own = own_ids(args)
    names = _SIZES if category == "kernel" else args
    kept = {name: args[name] for name in names if name in args and name not in own}
    return _encode(kept).decode() if kept else None


def own_ids(args: dict[str, Any]) -> dict[str, int]:
    """The integers among the arguments that every event has its own of."""
    return {name: value for name in _OWN_IDS if type(value := args.get(name)) is int}


class EventText(NamedTuple):
    """One event as it stands in the file, where, and whether it makes a row."""

    text: bytes
    place: int
    is_row: bool


class EventTable(Events):
    """Collects events one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.place = 0
        """Where the text stands that events are added from."""
        self.texts: list[EventText] = []
        """Of each event, in their order."""
        self._rows: list[tuple[int, int, int, int, int, int, int]] = []
        self._memory_places: list[int] = []
        self.damaged = 0

    def skip(self, *, is_damaged: bool = False) -> None:
        """Count an event that is beyond repair, or something that is no event."""
        self.skipped += 1
        self.damaged += is_damaged

    def add(self, text: bytes) -> bool:
        """Add the event that `text` is; False when it is none. One that cannot be used counts as skipped."""
        event = decode_event(text)
        if event is None:
            return False
        row = self._row(event) if event.ph == "X" else None
        if row is not None:
            self._rows.append(row)
        elif event.ph == "X" or (is_memory(event) and not self._add_memory(event)):
            self.skipped += 1
        else:
            if event.ph == "M":
                self._add_metadata(event)
            self.counts[kind_of(event)] += 1
        self.texts.append(EventText(text, self.place, row is not None))
        return True

    def add_memory(self, events: list[MemoryEvent], starts: list[int]) -> None:
        """Add allocations that have their text at `starts`; all are then in the order of the file."""
        both, places = [*self.memory, *events], [*self._memory_places, *starts]
        self.memory = [both[place] for place in sorted(range(len(both)), key=places.__getitem__)]

    def sort(self, starts: Int64s) -> None:
        """Put all rows in the order of the file; those added as columns have their text at `starts`.

        Texts are kept no longer.
        """
        if self._rows:
            self._parts.insert(0, from_rows(self._rows))
            self._rows = []
            places = [text.place for text in self.texts if text.is_row]
            order = np.argsort(np.append(np.array(places, np.int64), starts), kind="stable")
            self._parts = [self.take_columns().take(order)]
            self.texts = []

    def _row(self, event: Event) -> tuple[int, int, int, int, int, int, int] | None:
        start, duration = nanoseconds(event.ts), nanoseconds(event.dur)
        pid, tid = thread_part(event.pid), thread_part(event.tid)
        name, category = event.name, category_of(event)
        args = arguments(event) if category in NAMED else {}
        if start is None or duration is None or not isinstance(name, str):
            return None
        if pid is None or tid is None or args is None:
            return None
        key = self.keys.setdefault(EventKey(category, name, pid, tid), len(self.keys))
        text = kept_args(category, args) if keeps_args(category, name, args) else None
        kept = -1 if text is None else self.args.setdefault(text, len(self.args))
        external, correlation, nbytes = ids_of(category, args)
        ids = _integer(external, 0), _integer(correlation, 0), _integer(nbytes, -1)
        return key, start, duration, *ids, kept

    def _add_metadata(self, event: Event) -> None:
        args, pid, tid = arguments(event) or {}, thread_part(event.pid), thread_part(event.tid)
        name, value = event.name, args.get("labels" if event.name == "process_labels" else "name")
        if isinstance(name, str) and isinstance(value, str) and pid is not None and tid is not None:
            self.metadata.append(Metadata(name, pid, tid, value))

    def _add_memory(self, event: Event) -> bool:
        time, args, tid = nanoseconds(event.ts), arguments(event), thread_part(event.tid)
        if time is None or args is None or tid is None:
            return False
        sizes = (_integer(size, default) for size, default in zip(sizes_of(args), UNTOLD, strict=True))
        self.memory.append(MemoryEvent(time, tid, *sizes))
        self._memory_places.append(self.place)
        return True


def category_of(event: Event) -> str:
    """The category in force; empty when the event has none."""
    return canonical(event.cat) if isinstance(event.cat, str) else ""


def kind_of(event: Event) -> str:
    """What an event that makes no row is counted as: its category, else its `ph`."""
    phase = f"(ph {event.ph})" if event.ph and isinstance(event.ph, str) else "(no ph)"
    return category_of(event) or phase


def is_memory(event: Event) -> bool:
    """Whether the event records an allocation or a free."""
    return bool(event.ph == "i" and event.name == "[memory]")


def ids_of(category: str, args: dict[str, Any]) -> tuple[object, object, object]:
    """The `External id`, the correlation and the bytes, None where the category gives them no meaning."""
    external = args.get("External id")
    return (
        args.get("external id") if external is None else external,
        args.get("correlation") if category in LINKED else None,
        args.get("bytes") if category in COPIES else None,
    )


def sizes_of(args: dict[str, Any]) -> tuple[object, ...]:
    """What an allocation tells, in the order of `MemoryEvent`; None where it does not."""
    return tuple(map(args.get, _OF_MEMORY))


def nanoseconds(raw: msgspec.Raw | str) -> int | None:
    """Decimal microseconds as exact nanoseconds (half to even beyond three decimals); None if no time."""
    text = raw if isinstance(raw, str) else bytes(raw).decode("ascii", "replace")
    try:
        number = Decimal(text.strip('" ')) * 1000
    except DecimalException:
        return None
    if not number.is_finite() or abs(number) >= _LIMIT:
        return None
    return round(number)


def _integer(value: object, default: int) -> int:
    """An id or size, also when written as text; `default` when there is none."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    number = _whole(value, _LIMIT)
    return default if number is None else number


def thread_part(value: object) -> int | str | None:
    """A pid or tid: an integer or a text."""
    return value if isinstance(value, str) else _whole(value, _THREAD_LIMIT)


def _whole(value: object, limit: int) -> int | None:
    """The integer that a number is, also 1.0; None when it is none below the limit."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and abs(value) < limit else None
