"""Messages of Protocol Buffers, written by hand: a field is its number, its type and its value.

The encoding is that of https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sdtrace.intervals import Int64s

_VARINT, _FIXED64, _BYTES = 0, 1, 2
TIME_BYTES: Final = 7
"""Bytes of a time that is written at full width: 49 bits, six days of nanoseconds."""


def varint(value: int) -> bytes:
    """A whole number of 64 bits, seven bits a byte, the lowest first.

    >>> varint(300)
    b'\\xac\\x02'
    """
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field with a whole number or a truth value."""
    return varint(field << 3 | _VARINT) + varint(value)


def text(field: int, value: str | bytes) -> bytes:
    """A field with a text, bytes, or another message."""
    content = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return varint(field << 3 | _BYTES) + varint(len(content)) + content


def double(field: int, value: float) -> bytes:
    """A field with a floating-point number."""
    return varint(field << 3 | _FIXED64) + struct.pack("<d", value)


def wide_varints(values: Int64s, width: int = TIME_BYTES) -> NDArray[np.uint8]:
    """Each of `values` (not negative) as a varint of `width` bytes; leading zeros are allowed there."""
    shifts = np.arange(width, dtype=np.int64) * 7
    digits = values[:, np.newaxis] >> shifts & 0x7F
    digits[:, :-1] |= 0x80
    return digits.astype(np.uint8)
