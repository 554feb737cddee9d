"""The distinct ops of a trace file that were recorded with shapes, read without the package's own reader."""

from __future__ import annotations

import gzip
import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

_NOTHING = msgspec.Raw(b"null")


class _Arguments(msgspec.Struct):
    dims: msgspec.Raw = msgspec.field(default=_NOTHING, name="Input Dims")
    types: msgspec.Raw = msgspec.field(default=_NOTHING, name="Input type")
    strides: msgspec.Raw = msgspec.field(default=_NOTHING, name="Input Strides")
    values: msgspec.Raw = msgspec.field(default=_NOTHING, name="Concrete Inputs")


class _Event(msgspec.Struct):
    name: str = ""
    cat: str = ""
    args: msgspec.Raw = _NOTHING


class _File(msgspec.Struct):
    traceEvents: list[_Event]  # noqa: N815  (the file's own spelling)


def trace_bytes(path: Path) -> bytes:
    """The file's text, decompressed."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return lzma.decompress(data) if path.suffix == ".xz" else data


def recorded_ops(data: bytes) -> list[tuple[str, dict[str, Any], int]]:
    """Name, arguments and number of the events that are alike; those without shapes are left out."""
    counts: Counter[tuple[str, bytes]] = Counter()
    decode = msgspec.json.Decoder(_Arguments).decode
    events = msgspec.json.decode(data, type=_File).traceEvents
    for event in events:
        if event.cat == "cpu_op" and b'"Input Dims"' in bytes(event.args):
            counts[event.name, msgspec.json.encode(decode(event.args))] += 1
    return [(name, msgspec.json.decode(text), count) for (name, text), count in counts.items()]
