"""Where the files of each variant go."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdtrace.atomic_files import check_targets
from sdtrace.errors import OutputError, UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """A variant's trace, and what else is asked for beside it: torch's own table, the first image."""

    trace: Path
    golden: Path
    picture: Path


def targets_for(variants: list[str], output: Path, *, gzip: bool) -> dict[str, Target]:
    """One target for each variant: a folder's `VARIANT.json`, or the one file named `*.json` or `*.json.gz`.

    Raises:
        UsageError: one file name for several variants.
    """
    if not output.name.endswith((".json", ".json.gz")):
        ending = ".json.gz" if gzip else ".json"
        return {name: _target(output / f"{name}{ending}") for name in variants}
    if len(variants) > 1:
        raise UsageError(f"-o {output} is one file but there are {len(variants)} variants: name a folder")
    if gzip and output.suffix != ".gz":
        output = output.with_name(f"{output.name}.gz")
    return {variants[0]: _target(output)}


def check_places(targets: dict[str, Target], *, golden: bool, force: bool) -> None:
    """Makes the folder; finds out before a long run what would make it useless.

    Raises:
        OutputError: a file is there already and `force` is off, what is there is no file, or the folder
            cannot be written.
    """
    for target in targets.values():
        check_targets((target.trace, target.golden) if golden else (target.trace,), force=force)
        _check_folder(target.trace.parent)


def remove_others(target: Target, *, golden: bool, picture: bool) -> None:
    """Removes what lies beside a new trace and is of the one it replaced: what this run did not make."""
    for path, is_new in ((target.golden, golden), (target.picture, picture)):
        if not is_new and path.is_file():
            path.unlink()


@contextmanager
def claimed(targets: Iterable[Target]) -> Iterator[None]:
    """Keeps other collectors from the same files until the block ends.

    Raises:
        OutputError: another one has claimed a file, and would be found out only at its end.
    """
    with ExitStack() as held:
        for target in targets:
            held.enter_context(_locked(target.trace))
        yield


@contextmanager
def _locked(trace: Path) -> Iterator[None]:
    """A lock that goes with its process, however that ends; the file is only where it is put."""
    if sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - POSIX only

    path = trace.with_name(f".{trace.name}.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"another run of sdtrace is about to write {trace}; wait for it, or write elsewhere with -o"
            ) from error
        except OSError:  # a file system without locks: the later of two is told at its end
            pass
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror}; choose another folder with -o"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} cannot be written: permission denied; choose another folder with -o")


def _target(trace: Path) -> Target:
    stem = trace.name.removesuffix(".gz").removesuffix(".json")
    return Target(trace, trace.with_name(f"{stem}.keyavg.json.gz"), trace.with_name(f"{stem}.picture.npy"))
