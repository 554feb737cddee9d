"""Where the files of each variant go."""

from __future__ import annotations

import os
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
