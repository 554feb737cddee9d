"""A store: a folder of Parquet files, appended batch by batch, that a killed run leaves whole.

`traces/day=2026-11-26/0000001a2b3c4d5e.parquet` and so on: one folder a table, in it one a partition. A file
counts from the moment when the log names it. What was read waits in `spool/`, one file a trace, until there
is enough for a batch; a run that goes on begins with what it finds there.
"""

from __future__ import annotations

import io
import os
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
import polars as pl

from sdtrace.errors import OutputError, UsageError
from sdtrace.fleets.facts import PARTITIONS
from sdtrace.fleets.items import Item, Outcome, decode_outcome
from sdtrace.fleets.job_rows import OF_JOBS
from sdtrace.fleets.log import Batch, Entry, Log, is_settled
from sdtrace.fleets.rank_rows import RANKS
from sdtrace.fleets.scanning import scan
from sdtrace.fleets.tables import TABLES
from sdtrace.suggestions import did_you_mean

SCHEMA: Final = "sdtrace.fleet/1"
_ABOUT: Final = "store.toml"
_SPOOL: Final = "spool"
_LOCK: Final = "lock"
_SMALL_BYTES: Final = 4 << 20
_MERGED_BYTES: Final = 64 << 20
_LONGEST: Final = 80
"""Characters of a fact that name a folder."""
_MANY: Final = 8
"""So many small files of a partition become one."""
_FAILURES: Final = dict.fromkeys(("source", "status", "reason", "at"), pl.String)


class Store:
    """A store that is there; see the module. `open_store` and `make_store` give one."""

    def __init__(self, folder: Path, partition: str) -> None:
        self.folder, self.partition = folder, partition
        self.log = Log(folder)

    def settled(self) -> set[bytes]:
        """The keys of items that need not be read again."""
        found: dict[bytes, bool] = {}
        for entry in self.log.entries():
            found[Item(entry.source, entry.stamp).key] = is_settled(entry)
        return {key for key, settled in found.items() if settled}

    def digests(self) -> set[bytes]:
        """The digests of all traces."""
        return {bytes.fromhex(entry.digest) for entry in self.log.entries() if entry.status == "done"}

    def failures(self) -> pl.DataFrame:
        """Sources that could not be read when they were last tried: source, status, reason, at (String)."""
        last = {entry.source: entry for entry in self.log.entries()}
        rows = [entry for entry in last.values() if entry.status not in ("done", "duplicate")]
        return pl.DataFrame(
            [[getattr(entry, name) for name in _FAILURES] for entry in rows], schema=_FAILURES, orient="row"
        )

    def scan(self, table: str) -> pl.LazyFrame:
        """The rows of a table, read when they are asked for. Raises UsageError while there are none."""
        names = self._files_of(table)
        if not names and table in OF_JOBS and self.log.files:
            return pl.LazyFrame(schema=OF_JOBS[table])
        if not names:
            raise UsageError(f"{self.folder}: the store holds no traces yet")
        return scan([self.folder / name for name in names])

    def has(self, table: str) -> bool:
        """Whether there are files of a table: of ranks only where a trace is part of a job."""
        return bool(self._files_of(table))

    def spool(self, outcome: bytes) -> None:
        """Keep what came of a trace, encoded, until it is part of a batch."""
        folder = self.folder / _SPOOL
        folder.mkdir(exist_ok=True)
        path = folder / f"{decode_outcome(outcome).item.key.hex()}.msgpack"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(outcome)
        temporary.replace(path)

    def commit(self, digests: set[bytes]) -> list[Entry]:
        """Make a batch of what is in the spool; what came of each source.

        `digests` are those of all traces of the store. A trace whose digest is among them is left out; those
        of the others are added.
        """
        waiting = sorted((self.folder / _SPOOL).glob("*.msgpack"))
        if not waiting:
            return []
        new, entries = [], []
        for path in waiting:
            try:
                outcome = decode_outcome(path.read_bytes())
            except msgspec.DecodeError:  # the machine stopped while it was written; it is read again
                continue
            digest = bytes.fromhex(outcome.digest)
            status = "duplicate" if outcome.status == "done" and digest in digests else outcome.status
            if status == "done":
                new.append(outcome)
                digests.add(digest)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            item = outcome.item
            entries.append(Entry(item.source, item.stamp, status, outcome.digest, outcome.reason, now))
        self.log.add(Batch(self._write(new)), entries)
        for path in waiting:
            path.unlink()
        return entries

    def merge(self) -> None:
        """Make few files of many small ones, partition by partition."""
        merged = [self._merged(group) for group in self._small()]
        if not merged:
            return
        files, gone = [file for file, _ in merged], [path for _, group in merged for path in group]
        self.log.add(Batch(files, [self._within(path) for path in gone]), [])
        for path in gone:
            path.unlink()

    def exchange(self, rows: Mapping[str, pl.DataFrame], stale: Sequence[str]) -> None:
        """Add rows to tables of jobs, and remove those of the jobs in `stale`, all at once.

        Files that hold rows of a stale job are written again without them.
        """
        parts: defaultdict[tuple[str, str], list[pl.DataFrame]] = defaultdict(list)
        gone: list[str] = []
        for table, new in rows.items():
            old = self._files_of(table) if stale else []
            kept = (
                [scan([self.folder / name for name in old]).filter(~pl.col("job_id").is_in(stale)).collect()]
                if old
                else []
            )
            gone += old
            for frame in (*kept, new):
                for (value, *_), part in frame.partition_by(self.partition, as_dict=True).items():
                    parts[table, str(value)].append(part)
        self.log.add(Batch(self._write_parts(parts), gone), [])
        for name in gone:
            (self.folder / name).unlink()

    def remove_strays(self) -> None:
        """Remove what a killed run was writing: Parquet files that no batch names, halves of others."""
        for path in (self.folder / _SPOOL).glob("*.tmp"):
            path.unlink()
        for table in (*TABLES, RANKS, *OF_JOBS):
            for path in (self.folder / table).glob("*/*.parquet"):
                if self._within(path) not in self.log.files:
                    path.unlink()

    def _write(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Write the tables of traces, one file for each table and partition; the files."""
        parts = defaultdict(list)
        for outcome in outcomes:
            for table, packed in outcome.tables.items():
                parts[table, outcome.facts.get(self.partition, "")].append(
                    pl.read_ipc_stream(io.BytesIO(packed))
                )
        return self._write_parts(parts)

    def _write_parts(self, parts: Mapping[tuple[str, str], Sequence[pl.DataFrame]]) -> list[str]:
        """Write the rows of each table and value of the partition; the files."""
        written = []
        for (table, value), frames in parts.items():
            rows = pl.concat(frames)
            label = quote(value[:_LONGEST], safe=" ") or "unknown"
            folder = self.folder / table / f"{self.partition}={label}"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / _new_name()
            rows.write_parquet(path, compression="zstd")
            _to_disk(path)
            written.append(self._within(path))
        return written

    def _files_of(self, table: str) -> list[str]:
        return [name for name in self.log.files if name.startswith(f"{table}/")]

    def _small(self) -> list[list[Path]]:
        """Small files that are to become one, partition by partition."""
        small = defaultdict(list)
        for name in self.log.files:
            path = self.folder / name
            if (size := path.stat().st_size) < _SMALL_BYTES:
                small[path.parent].append((path, size))
        return [group for files in small.values() for group in _groups(files)]

    def _merged(self, group: list[Path]) -> tuple[str, list[Path]]:
        target = group[0].parent / _new_name()
        scan(group).sink_parquet(target, compression="zstd")
        _to_disk(target)
        return self._within(target), group

    def _within(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def is_store(folder: Path) -> bool:
    """Whether a folder is a store."""
    return (folder / _ABOUT).is_file()


def open_store(folder: Path) -> Store:
    """The store in `folder`. Raises UsageError where there is none, or one that is newer than this."""
    try:
        about = tomllib.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: no store of traces; `sdtrace fleet` makes one") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{folder / _ABOUT}: cannot be read: {error}") from error
    if about.get("schema") != SCHEMA:
        told = f"its schema is {about.get('schema')}, and this sdtrace reads {SCHEMA}"
        raise UsageError(f"{folder}: {told}; use the version that wrote it, or make a new store")
    return Store(folder, str(about.get("partition")))


def make_store(folder: Path, partition: str | None) -> Store:
    """The store in `folder`, made where there is none; `partition` is the fact that divides it.

    Raises UsageError for another partition than the store has, OutputError where it cannot be written.
    """
    if partition is not None and partition not in PARTITIONS:
        hint = did_you_mean(partition, PARTITIONS)
        raise UsageError(f"no fact is called {partition!r}{hint}; facts are {', '.join(PARTITIONS)}")
    if is_store(folder):
        store = open_store(folder)
        if partition not in (None, store.partition):
            raise UsageError(f"{folder}: the store is divided by {store.partition}, not by {partition}")
        return store
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError(f"{folder}: holds other files and no store; choose another folder with -o")
        text = f'schema = "{SCHEMA}"\npartition = "{partition or "day"}"\n'
        (folder / _ABOUT).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = f"cannot write {folder}: {error.strerror}"
        raise OutputError(f"{reason}; choose another folder with -o") from error
    return open_store(folder)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one who writes the store. Raises OutputError while another process does."""
    with (folder / _LOCK).open("w") as file:
        with suppress(ImportError):
            import fcntl  # noqa: PLC0415  # not on Windows

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(f"{folder}: another process is writing this store; wait for it") from error
        yield


def _groups(files: list[tuple[Path, int]]) -> Iterator[list[Path]]:
    """Small files that are to become one, many at a time."""
    group: list[Path] = []
    total = 0
    for path, size in files:
        if total + size > _MERGED_BYTES:
            yield group
            group, total = [], 0
        group.append(path)
        total += size
    if len(group) >= _MANY:
        yield group


def _to_disk(path: Path) -> None:
    """What the log names must be there after the machine stopped, too."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _new_name() -> str:
    return f"{os.urandom(8).hex()}.parquet"
