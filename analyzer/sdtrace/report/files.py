"""Write files so that a reader never sees half of one, and nothing is lost by accident."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sdtrace.errors import OutputError


def write_all(contents: Mapping[Path, bytes], *, force: bool) -> list[Path]:
    """Write every file or, where something is in the way, none; folders are made as needed.

    Each goes to a temporary file beside its target first, and is renamed once all are complete.
    Raises OutputError when a target exists and `force` is not set, or when a folder or file cannot
    be written; temporary files are removed then.
    """
    if not force:
        refuse_existing(contents)
    staged = {target: target.with_name(f".{target.name}.{os.getpid()}.tmp") for target in contents}
    try:
        for target, temporary in staged.items():
            with _explained(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(contents[target])
        for target, temporary in staged.items():
            with _explained(target):
                temporary.replace(target)
    finally:
        for temporary in staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink()
    return list(contents)


def refuse_existing(targets: Iterable[Path]) -> None:
    """Raise OutputError when any target exists, to know it before the work is done."""
    for target in targets:
        with _explained(target):
            taken = os.path.lexists(target)
        if taken:
            raise OutputError(
                f"{target} exists already; pass --force to overwrite it, or -o to write elsewhere"
            )


@contextlib.contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn the system's refusal into one line that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"cannot write {target}: {reason}; choose another folder with -o") from error
