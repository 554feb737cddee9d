"""Packets of Perfetto's own trace format: tracks, slices, counters; texts are written once.

Field numbers are those of Perfetto's `trace_packet.proto`, `track_event.proto`, `track_descriptor.proto`,
`debug_annotation.proto` and `interned_data.proto`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from sdtrace.export.protobuf import TIME_BYTES, double, number, text, varint, wide_varints
from sdtrace.intervals import Bools, Int64s

_PACKET: Final = 1
_TIMESTAMP, _SEQUENCE, _TRACK_EVENT, _INTERNED, _FLAGS, _TRACK_DESCRIPTOR = 8, 10, 11, 12, 13, 60
_CLEARED, _NEEDS_STATE = 1, 2
_EXPLICIT_ORDER: Final = 3
BEGIN, END, COUNTER = 1, 2, 4
_OF_SEQUENCE: Final = number(_SEQUENCE, 1) + number(_FLAGS, _NEEDS_STATE)
ID_BYTES: Final = 5
"""Bytes of an id at full width: 35 bits."""
_FLOW_OUT, _FLOW_IN = (varint(field << 3 | 1) for field in (47, 48))
FLOW_BYTES: Final = len(_FLOW_OUT) + 8


class TrackPlace(NamedTuple):
    """A track: its number, name, the number of the track above it, and its place among those below that."""

    uuid: int
    name: str
    parent: int = 0
    rank: int = 0
    pid: int | None = None
    """Of a process, or with `tid` of a thread."""
    tid: int | None = None
    unit: str | None = None
    """Of a counter."""


def packet(content: bytes) -> bytes:
    """A packet of the trace."""
    return text(_PACKET, content)


def track_packet(track: TrackPlace) -> bytes:
    """The packet that describes a track."""
    parts = [number(1, track.uuid)]
    if track.tid is not None:
        parts.append(text(4, number(1, track.pid or 0) + number(2, track.tid) + text(5, track.name)))
    elif track.pid is not None:
        parts.append(text(3, number(1, track.pid) + text(6, track.name)))
    else:
        parts.append(text(2, track.name))
    if track.parent:
        parts.append(number(5, track.parent))
    if track.unit is not None:
        parts.append(text(8, text(6, track.unit)))
    parts += [number(11, _EXPLICIT_ORDER), number(12, track.rank)]
    return packet(text(_TRACK_DESCRIPTOR, b"".join(parts)))


class Texts:
    """Texts that are written once, each known by a number from 1 on."""

    def __init__(self, field: int, text_field: int = 2) -> None:
        self._field, self._text_field = field, text_field
        self._numbers: dict[str, int] = {}

    def of(self, value: str) -> int:
        """The number of a text."""
        return self._numbers.setdefault(value, len(self._numbers) + 1)

    def entries(self) -> Iterator[bytes]:
        """Every text with its number, as fields of the packet of texts."""
        for value, place in self._numbers.items():
            yield text(self._field, number(1, place) + text(self._text_field, value))


class Interned:
    """All texts of a trace by their kind."""

    def __init__(self) -> None:
        self.categories, self.names = Texts(1), Texts(2)
        self.keys, self.values = Texts(3), Texts(29)

    def packet(self) -> bytes:
        """The packet with all texts; it comes before the first slice."""
        kinds = (self.categories, self.names, self.keys, self.values)
        content = b"".join(entry for kind in kinds for entry in kind.entries())
        return packet(number(_SEQUENCE, 1) + number(_FLAGS, _CLEARED) + text(_INTERNED, content))

    def annotation(self, key: str, value: str) -> bytes:
        """A fact about a slice."""
        return text(4, number(1, self.keys.of(key)) + number(17, self.values.of(value)))

    def id_annotation(self, key: str) -> bytes:
        """A fact about a slice that is a number; `id_bytes` of it follow."""
        inside = number(1, self.keys.of(key)) + varint(3 << 3)
        return varint(4 << 3 | 2) + varint(len(inside) + ID_BYTES) + inside


def ids_and_flows(ids: Int64s, has_id: Bools, flow: Int64s) -> list[bytes]:
    """What follows the facts of each slice: its id, and the arrow that begins there or, below 0, ends."""
    wide = wide_varints(np.where(has_id, ids, 0), ID_BYTES).tobytes()
    numbers = np.abs(flow).astype("<u8").tobytes()
    out = []
    for place, (with_id, step) in enumerate(zip(has_id.tolist(), flow.tolist(), strict=True)):
        told = wide[ID_BYTES * place : ID_BYTES * (place + 1)] if with_id else b""
        if step:
            told += (_FLOW_OUT if step > 0 else _FLOW_IN) + numbers[8 * place : 8 * place + 8]
        out.append(told)
    return out


class Form(NamedTuple):
    """A packet of an event without its time: what stands before it, and what behind."""

    before: bytes
    behind: bytes


def form(kind: int, track: int, facts: Iterable[bytes] = (), following: int = 0) -> Form:
    """The packet of an event; so many bytes more follow that belong to it: its ids and its flow."""
    event = b"".join([number(9, kind), number(11, track), *facts])
    head = varint(_TRACK_EVENT << 3 | 2) + varint(len(event) + following)
    behind = _OF_SEQUENCE + head + event
    length = 1 + TIME_BYTES + len(behind) + following
    return Form(varint(_PACKET << 3 | 2) + varint(length) + varint(_TIMESTAMP << 3), behind)


def slice_facts(interned: Interned, name: str, category: str) -> list[bytes]:
    """The name and the category of a slice."""
    return [number(3, interned.categories.of(category)), number(10, interned.names.of(name))]


def counter_packet(track: int, ns: int, value: float) -> bytes:
    """The value of a counter from an instant on."""
    event = number(9, COUNTER) + number(11, track) + double(44, value)
    return packet(number(_TIMESTAMP, ns) + _OF_SEQUENCE + text(_TRACK_EVENT, event))
