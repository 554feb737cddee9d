"""Which files of a folder sdtrace wrote itself and nobody changed since: they may be replaced unasked.

A file of the folder holds their names and the SHA-256 of what was written. A file that somebody edited,
or that another program wrote, has another one and is never replaced without `--force`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from sdtrace.atomic_files import check_targets, write_all
from sdtrace.errors import OutputError

RECORD: Final = ".sdtrace-files"
"""The name of the record. It begins with a dot, so that no folder of traces seems to hold it."""
_LARGEST_RECORD: Final = 1 << 20


def check(targets: Iterable[Path], *, force: bool) -> None:
    """Raise OutputError for what is in the way and not ours, to know it before the work is done."""
    targets = list(targets)
    check_targets([target for target in targets if not _is_own(target)], force=force)


def write(contents: Mapping[Path, bytes], *, force: bool) -> list[Path]:
    """Write every file, or none where one that is not ours is in the way; note that they are ours now.

    Returns the files. Raises OutputError as `sdtrace.atomic_files.write_all`, of which this is a form.
    """
    own = {target for target in contents if _is_own(target)}
    written = write_all(contents, force=force, replaceable=own)
    for folder in dict.fromkeys(target.parent for target in contents):
        _note(folder, {path.name: text for path, text in contents.items() if path.parent == folder})
    return written


def _is_own(target: Path) -> bool:
    """Whether `target` is a plain file with just the content that sdtrace wrote there."""
    known = _recorded(target.parent).get(target.name)
    if known is None or target.is_symlink() or not target.is_file():
        return False
    try:
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == known
    except OSError:
        return False


def _recorded(folder: Path) -> dict[str, str]:
    """File name to digest; {} without a record that can be read."""
    record = folder / RECORD
    try:
        if record.is_symlink() or record.stat().st_size > _LARGEST_RECORD:
            return {}
        found = json.loads(record.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Add what was written to the record. Where that fails, the next report asks for `--force`, no more."""
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in contents.items()}
    kept = {name: known for name, known in _recorded(folder).items() if (folder / name).exists()}
    text = json.dumps(kept | digests, indent=1).encode()
    try:
        write_all({folder / RECORD: text}, force=True)
    except OutputError:
        return
