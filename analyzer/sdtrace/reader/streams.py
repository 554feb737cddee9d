"""Bytes of a trace, decompressed while they are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.sources import STDIN

BLOCK_BYTES: Final = 16 << 20
_GZIP, _ZSTD, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"


class Stream(NamedTuple):
    """Decompressed bytes: `read(size)`, and what it raises, besides OSError, on damaged data."""

    read: Callable[[int], bytes]
    errors: tuple[type[Exception], ...] = ()


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """The plain bytes of `path` (`-` is standard input), whatever compression its first bytes tell.

    Raises UnreadableTrace when it cannot be opened or needs a package that is not installed.
    """
    try:
        raw = cast(BinaryIO, sys.stdin.buffer) if path == STDIN else path.open("rb")
    except OSError as error:
        raise UnreadableTrace(f"{path}: cannot be opened: {error.strerror}") from error
    with raw:
        start = raw.read(6)
        yield _decompressed(path, cast(BinaryIO, _Rewound(start, raw)), start)


class _Rewound:
    """A stream whose first bytes, already read, are read again: standard input cannot seek."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream = start, stream

    def read(self, size: int = -1) -> bytes:
        if not self._start:
            return self._stream.read(size)
        start, self._start = self._start, b""
        return start + self._stream.read(size if size < 0 else max(0, size - len(start)))

    def readinto(self, buffer: bytearray) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return self._stream.closed


def _decompressed(path: Path, stream: BinaryIO, start: bytes) -> Stream:
    if start.startswith(_GZIP):
        from isal import igzip, isal_zlib  # noqa: PLC0415  # only compressed traces need it

        errors = cast(tuple[type[Exception], ...], (isal_zlib.error,))
        return Stream(igzip.IGzipFile(fileobj=stream).read, errors)
    if start.startswith(_XZ):
        import lzma  # noqa: PLC0415  # only compressed traces need it

        return Stream(lzma.LZMAFile(stream).read, (lzma.LZMAError,))
    if start.startswith(_ZSTD):
        try:
            import zstandard  # noqa: PLC0415  # an optional extra
        except ImportError as error:
            raise UnreadableTrace(
                f"{path}: is compressed with zstd; run: pip install 'sdtrace[zstd]'"
            ) from error
        reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
        return Stream(reader.read, (zstandard.ZstdError,))
    return Stream(stream.read)
