"""One trace from its source to small tables: what a worker does, whoever started it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, cast

import polars as pl

from sdtrace.analysis.options import Options
from sdtrace.analysis.study import study_trace
from sdtrace.errors import UnreadableTrace
from sdtrace.fleets import remote
from sdtrace.fleets.items import Outcome, Status, Task, decode_task, encode
from sdtrace.fleets.sources import opened
from sdtrace.fleets.tables import facts_and_tables
from sdtrace.trace import load_trace
from sdtrace.version import VERSION

_BLOCK_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 16


def run_task(task: bytes) -> bytes:
    """The outcome of a task, both encoded as `sdtrace.fleets.items` has them. It raises nothing."""
    return encode(outcome_of(decode_task(task)))


def outcome_of(task: Task) -> Outcome:
    """Read and study the trace of a task, with one thread."""
    began = time.process_time()
    item = task.item
    try:
        with opened(item.source) as file:
            hashed = _Hashed(file)
            trace = load_trace(_named(item.source), cast(BinaryIO, hashed), threads=1)
            digest = hashed.digest()
        options = _options()
        study = study_trace(trace, options.rules)
        facts, tables = facts_and_tables(study, options, task, digest, VERSION)
    except UnreadableTrace as error:
        is_network = bool(remote.protocol_of(item.source)) and isinstance(error.__cause__, OSError)
        return Outcome(item, "failed" if is_network else "unreadable", str(error))
    except Exception as error:  # noqa: BLE001  # one trace must not end the others
        status: Status = "unreadable" if isinstance(error, FileNotFoundError) else "failed"
        first = (str(error).splitlines() or [""])[0]
        return Outcome(item, status, f"{item.source}: {type(error).__name__}: {first}")
    packed = {name: _packed(rows) for name, rows in tables.items()}
    spent = time.process_time() - began
    return Outcome(item, "done", "", digest, facts, packed, spent)


@cache
def _options() -> Options:
    return Options.of()


class _Hashed:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = blake2b(digest_size=_DIGEST_BYTES)

    def read(self, size: int = -1) -> bytes:
        """As the file's."""
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Of all bytes, those too that nobody read."""
        rest: Callable[[], bytes] = lambda: self._file.read(_BLOCK_BYTES)  # noqa: E731
        for data in iter(rest, b""):
            self._hash.update(data)
        return self._hash.hexdigest()


def _named(source: str) -> Path:
    """What names the trace in messages and rows: of a URL its last part, without what follows a `?`."""
    if not remote.protocol_of(source):
        return Path(source)
    return Path(source.partition("?")[0].rstrip("/").rpartition("/")[2] or "trace")


def _packed(rows: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    rows.write_ipc_stream(out, compression="zstd")
    return out.getvalue()
