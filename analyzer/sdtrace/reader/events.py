"""Single events, decoded from JSON text of any layout, and turned into columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, DecimalException
from typing import Any, Final

import msgspec

from sdtrace.reader.categories import COPIES, LINKED, NAMED, canonical
from sdtrace.reader.columns import Decoded, Head, MemoryEvent, Metadata, from_rows

_LIMIT: Final = 1 << 62
"""Times and ids beyond this are damage, not data."""
_THREAD_LIMIT: Final = 1 << 64
"""Handles of threads may use all 64 bits."""
_EXACT: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,3})?")
_NOTHING: Final = msgspec.Raw(b"")
_NULL: Final = msgspec.Raw(b"null")


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


class _Args(
    msgspec.Struct,
    rename={
        "external_id": "External id",
        "old_external_id": "external id",
        "nbytes": "bytes",
        "memory_bytes": "Bytes",
        "total_allocated": "Total Allocated",
        "device_type": "Device Type",
        "device_id": "Device Id",
        "metadata_name": "name",
    },
):
    external_id: Any = None
    old_external_id: Any = None
    correlation: Any = None
    nbytes: Any = None
    memory_bytes: Any = None
    total_allocated: Any = None
    device_type: Any = None
    device_id: Any = None
    metadata_name: Any = None


_decode_args = msgspec.json.Decoder(_Args).decode


class EventTable:
    """Collects events one by one; `decoded` gives them as columns."""

    def __init__(self, keep_args: frozenset[str]) -> None:
        self._keep_args = keep_args
        self._rows: list[tuple[int, int, int, int, int, int, int]] = []
        self._heads: dict[Head, int] = {}
        self._args: dict[str, int] = {}
        self._memory: list[MemoryEvent] = []
        self._metadata: list[Metadata] = []
        self._counts: Counter[str] = Counter()
        self._skipped = 0

    def skip(self, events: int = 1) -> None:
        """Count events that could not be used."""
        self._skipped += events

    def extend(self, events: Iterable[Event]) -> None:
        """Add events in the order of the file."""
        for event in events:
            self.add(event)

    def add(self, event: Event) -> bool:
        """Add one event; False when it had to be skipped instead."""
        category = canonical(event.cat) if isinstance(event.cat, str) else ""
        if event.ph == "X":
            row = self._row(event, category)
            if row is None:
                self._skipped += 1
                return False
            self._rows.append(row)
        else:
            if event.ph == "M":
                self._add_metadata(event)
            elif event.ph == "i" and event.name == "[memory]" and not self._add_memory(event):
                self._skipped += 1
                return False
            phase = f"(ph {event.ph})" if event.ph and isinstance(event.ph, str) else "(no ph)"
            self._counts[category or phase] += 1
        return True

    @property
    def rows(self) -> int:
        """Duration events collected."""
        return len(self._rows)

    @property
    def is_empty(self) -> bool:
        """Whether no event was added; skipped ones do not count."""
        return not self._rows and not self._counts

    def decoded(self) -> Decoded:
        """Everything collected."""
        return Decoded(
            from_rows(self._rows),
            list(self._heads),
            list(self._args),
            self._memory,
            self._metadata,
            self._counts,
            self._skipped,
        )

    def _row(self, event: Event, category: str) -> tuple[int, int, int, int, int, int, int] | None:
        start, duration = nanoseconds(event.ts), nanoseconds(event.dur)
        name, pid, tid = event.name, _thread_part(event.pid), _thread_part(event.tid)
        if start is None or duration is None or not isinstance(name, str) or pid is None or tid is None:
            return None
        head = self._heads.setdefault(Head(category, name, pid, tid), len(self._heads))
        if category not in NAMED or len(event.args) < 3:
            return head, start, duration, 0, 0, -1, -1
        args = _args_of(event.args)
        if args is None:
            return None
        external = args.external_id if args.external_id is not None else args.old_external_id
        kept = -1
        if name in self._keep_args and category == "cpu_op":
            kept = self._args.setdefault(bytes(event.args).decode("utf-8", "replace"), len(self._args))
        return (
            head,
            start,
            duration,
            _integer(external, 0),
            _integer(args.correlation, 0) if category in LINKED else 0,
            _integer(args.nbytes, -1) if category in COPIES else -1,
            kept,
        )

    def _add_metadata(self, event: Event) -> None:
        args = _args_of(event.args)
        pid, tid = _thread_part(event.pid), _thread_part(event.tid)
        if args is None or pid is None or tid is None:
            return
        if isinstance(args.metadata_name, str) and isinstance(event.name, str):
            self._metadata.append(Metadata(event.name, pid, tid, args.metadata_name))

    def _add_memory(self, event: Event) -> bool:
        time, args, tid = nanoseconds(event.ts), _args_of(event.args), _thread_part(event.tid)
        if time is None or args is None or tid is None:
            return False
        sizes = (args.memory_bytes, args.total_allocated, args.device_type, args.device_id)
        self._memory.append(MemoryEvent(time, tid, *(_integer(size, 0) for size in sizes)))
        return True


def nanoseconds(raw: msgspec.Raw | str) -> int | None:
    """Decimal microseconds as exact nanoseconds (half to even beyond three decimals); None if no time."""
    text = raw if isinstance(raw, str) else bytes(raw).decode("ascii", "replace")
    text = text.strip('" ')
    if _EXACT.fullmatch(text):
        whole, _, fraction = text.partition(".")
        return int(whole + fraction.ljust(3, "0"))
    try:
        number = Decimal(text) * 1000
    except DecimalException:
        return None
    if not number.is_finite() or abs(number) >= _LIMIT:
        return None
    return round(number)


def _integer(value: object, default: int) -> int:
    """An id or size, also when written as text; `default` when there is none."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LIMIT:
        return value
    return default


def _thread_part(value: object) -> int | str | None:
    """A pid or tid: an integer or a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _THREAD_LIMIT:
        return value
    return None


def _args_of(raw: msgspec.Raw) -> _Args | None:
    """The arguments; empty ones when the event has none, None when they are no object."""
    if not len(raw) or raw == _NULL:
        return _Args()
    try:
        return _decode_args(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
