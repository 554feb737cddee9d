"""A rank as bytes, so that its job can be put together where its trace is not."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import numpy as np

from sdtrace.job.rank import Rank


def pack(rank: Rank) -> bytes:
    """The rank as compressed MessagePack: 30 to 400 bytes a collective, a tenth of what it takes plain."""
    return zlib.compress(_encode(rank), level=1)


def unpack(packed: bytes) -> Rank:
    """The rank that was packed. Raises msgspec.DecodeError or zlib.error for other bytes."""
    return _decode(zlib.decompress(packed))


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.astype("<i8").tobytes()
    if isinstance(value, np.integer):
        return int(value)
    raise NotImplementedError(f"{type(value).__name__} is not packed")


def _array(_: type, packed: Any) -> Any:
    shape, data = packed
    return np.frombuffer(data, "<i8").astype(np.int64).reshape(shape)


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode = msgspec.msgpack.Decoder(Rank, dec_hook=_array).decode
