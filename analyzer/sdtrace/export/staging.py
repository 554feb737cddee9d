"""Write one large file so that a reader never sees half of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from sdtrace.errors import OutputError


@contextlib.contextmanager
def staged(target: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A file that becomes `target` when all went well; compressed when its name ends in `.gz`.

    Raises OutputError when `target` exists and `force` is not set, or cannot be written.
    """
    if not force and os.path.lexists(target):
        raise OutputError(f"{target} exists already; pass --force to overwrite it, or -o to write elsewhere")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as raw, _compressed(raw, target) as file:
            yield file
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"cannot write {target}: {reason}; choose another place with -o") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _compressed(raw: BinaryIO, target: Path) -> Iterator[BinaryIO]:
    if target.suffix != ".gz":
        yield raw
        return
    from isal import igzip  # noqa: PLC0415  # only compressed output needs it

    with igzip.IGzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        yield cast(BinaryIO, file)
