"""Bytes of a trace, decompressed while they are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.sources import STDIN

BLOCK_BYTES: Final = 16 << 20
_COMPRESSED_BYTES: Final = 1 << 16
_PIECE_BYTES: Final = 1 << 20
"""Decompressed at once."""
_GZIP, _ZSTD, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"
_ZSTD_SKIPPABLE: Final = tuple(bytes((number,)) + b"\x2a\x4d\x18" for number in range(0x50, 0x60))
"""Frames of zstd that hold no data; a file may begin with some."""
_MAX_EXPANSION: Final = 400
"""Traces shrink 15 to 40 times. gzip cannot exceed 1032."""
_EXPANSION_MATTERS: Final = 256 << 20
_MAX_WINDOW: Final = 256 << 20
"""What xz may ask for; its largest preset takes 65 MiB. zstd has such a limit by itself."""


@contextmanager
def open_blocks(path: Path, file: BinaryIO | None = None) -> Iterator[Iterator[bytes]]:
    """The plain bytes of `path` (`-` is standard input), whatever compression its first bytes tell.

    With `file` its bytes instead, from where it stands; it stays open. Blocks are about 16 MiB long. A
    compressed file that was cut ends where it was cut.
    Raises UnreadableTrace, also while blocks are read: the file cannot be opened or read, is damaged,
    needs a package that is not installed, or grows so much that it can be no trace.
    """
    if file is not None:
        yield _blocks(path, file)
        return
    try:
        opened = cast(BinaryIO, sys.stdin.buffer) if path == STDIN else path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableTrace(f"{path}: cannot be opened: {reason}") from error
    with opened:
        yield _blocks(path, opened)


def _blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    produced = 0
    errors: list[type[Exception]] = [OSError, EOFError]
    try:
        start = file.read(6)
        source = _Source(start, file)
        for block in _decompressed(path, source, start, errors):
            produced += len(block)
            if produced > max(_EXPANSION_MATTERS, _MAX_EXPANSION * source.consumed):
                raise UnreadableTrace(f"{path}: grows more than {_MAX_EXPANSION} times; no trace does")
            yield block
        if source.consumed and not produced:
            raise UnreadableTrace(f"{path}: holds nothing that can be decompressed; was it cut?")
    except tuple(errors) as error:
        raise UnreadableTrace(f"{path}: cannot be read: {error}; is it damaged?") from error


class _Source:
    """A stream whose first bytes, already read, are read again: standard input cannot seek."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream = start, stream
        self.consumed = 0

    def read(self, size: int = -1) -> bytes:
        start, self._start = self._start, b""
        data = start + self._stream.read(size if size < 0 else max(0, size - len(start)))
        self.consumed += len(data)
        return data


def _decompressed(
    path: Path, source: _Source, start: bytes, errors: list[type[Exception]]
) -> Iterator[bytes]:
    """Plain blocks; what the library raises on damaged data is added to `errors`."""
    if start.startswith(_GZIP):
        from isal import igzip_lib  # noqa: PLC0415  # only compressed traces need it

        errors.append(cast(type[Exception], igzip_lib.error))
        return _members(source, partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_GZIP), _GZIP, 1)
    if start.startswith(_XZ):
        import lzma  # noqa: PLC0415  # only compressed traces need it

        errors.append(lzma.LZMAError)
        return _members(source, partial(lzma.LZMADecompressor, memlimit=_MAX_WINDOW), _XZ, 4)
    if start.startswith((_ZSTD, *_ZSTD_SKIPPABLE)):
        try:
            import zstandard  # noqa: PLC0415  # an optional extra
        except ImportError as error:
            raise UnreadableTrace(
                f"{path}: is compressed with zstd; run: pip install 'sdtrace[zstd]'"
            ) from error
        errors.append(zstandard.ZstdError)
        reader = zstandard.ZstdDecompressor().stream_reader(cast(BinaryIO, source), read_across_frames=True)
        return iter(partial(reader.read, BLOCK_BYTES), b"")
    return iter(partial(source.read, BLOCK_BYTES), b"")


def _members(source: _Source, start_member: Callable[[], Any], magic: bytes, padding: int) -> Iterator[bytes]:
    """The members of an archive as one text; whatever follows the last is not looked at.

    `start_member` makes what decompresses one, such as `lzma.LZMADecompressor`. Between members may be zeros,
    a multiple of `padding`. Members may be many and tiny: little is read at once, as each copies the rest.
    """
    data = source.read(_COMPRESSED_BYTES)
    pieces: list[bytes] = []
    size = 0
    while data.startswith(magic):
        member = start_member()
        while not member.eof and (data or not member.needs_input or (data := source.read(_COMPRESSED_BYTES))):
            pieces.append(member.decompress(data, _PIECE_BYTES))
            size += len(pieces[-1])
            data = b""
            if size >= BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        data, zeros = member.unused_data, 0
        while len(left := data.lstrip(b"\0")) < len(magic) and (more := source.read(_COMPRESSED_BYTES)):
            zeros += len(data) - len(left)
            data = left + more
        zeros += len(data) - len(left)
        data = b"" if zeros % padding else left
    if size:
        yield b"".join(pieces)
