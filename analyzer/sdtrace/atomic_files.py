"""Write files so that a reader never sees half of one, and nothing is lost by accident.

A file is written under a temporary name in the folder of its target and renamed once it is complete.
Nobody can guess the temporary name, and it is opened only where nothing has it yet, so no link is
followed. It is removed when the block ends in any other way.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from sdtrace.errors import OutputError

Write = Callable[[bytes], object]
TEMPORARY: Final = ".sdtrace-*.tmp"
"""What temporary names match."""


def write_all(
    contents: Mapping[Path, bytes], *, force: bool, replaceable: Collection[Path] = ()
) -> list[Path]:
    """Write every file or, where something is in the way, none; folders are made as needed.

    Returns the targets. Raises OutputError when one exists that is not `replaceable` and `force` is not
    set, is no file, or cannot be written.
    """
    forced = set(contents) if force else set(replaceable)
    for target in contents:
        check_targets([target], force=target in forced)
    with ExitStack() as temporaries:
        complete: dict[Path, Path] = {}
        for target, content in contents.items():
            with _explained(target):
                file = temporaries.enter_context(_temporary(target))
                file.write(content)
                file.close()
            complete[target] = Path(file.name)
        _rename_all(complete, forced)
    return list(contents)


@contextmanager
def staged(target: Path, *, force: bool, small: bool = False) -> Iterator[Write]:
    """A function that writes bytes into what becomes `target` when the block ends well.

    The content is compressed when the name ends in `.gz`: quickly, or where it is to be `small` by a third
    more in several times the time. Raises OutputError when `target` exists
    and `force` is not set, also when it came to exist meanwhile; when it is no file; and when it
    cannot be written.
    """
    check_targets([target], force=force)
    with ExitStack() as temporaries:
        with _explained(target):
            raw = temporaries.enter_context(_temporary(target))
        file = _compressing(raw, small=small) if target.suffix == ".gz" else raw
        yield _explaining(file.write, target)
        with _explained(target):
            file.close()
            raw.close()
            _rename(Path(raw.name), target, force=force)


def check_targets(targets: Iterable[Path], *, force: bool) -> None:
    """Raise OutputError for what would be in the way, to know it before the work is done.

    That is anything without `force`; with it a folder, a device or a pipe.
    """
    for target in targets:
        with _explained(target):
            if not os.path.lexists(target):
                continue
            replaceable = _is_file_or_dangling(target)
        if not force:
            raise _exists_already(target)
        if not replaceable:
            raise OutputError(f"cannot write {target}: it is not a file; choose another place with -o")


def _exists_already(target: Path) -> OutputError:
    return OutputError(f"{target} exists already; pass --force to overwrite it, or -o to write elsewhere")


def _is_file_or_dangling(path: Path) -> bool:
    """Whether replacing `path` replaces a file, and not /dev/stdout or a folder."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


@contextmanager
def _temporary(target: Path) -> Iterator[BinaryIO]:
    """A new file beside `target`, removed at the end unless it was renamed."""
    path = target.with_name(TEMPORARY.replace("*", os.urandom(8).hex()))
    target.parent.mkdir(parents=True, exist_ok=True)
    file: BinaryIO | None = None
    try:
        file = path.open("xb")
        yield file
    finally:
        with suppress(OSError):
            if file is not None:
                file.close()
        with suppress(OSError):
            path.unlink()


def _rename_all(complete: Mapping[Path, Path], forced: Collection[Path]) -> None:
    """Rename each temporary file to its target. When one is in the way, none stays that is not `forced`."""
    done: list[Path] = []
    try:
        for target, temporary in complete.items():
            with _explained(target):
                _rename(temporary, target, force=target in forced)
            if target not in forced:
                done.append(target)
    except BaseException:
        for target in done:
            with suppress(OSError):
                target.unlink()
        raise


def _rename(temporary: Path, target: Path, *, force: bool) -> None:
    if force:
        temporary.replace(target)
        return
    try:
        target.hardlink_to(temporary)  # unlike renaming, this never replaces what came to exist meanwhile
    except FileExistsError:
        raise _exists_already(target) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _exists_already(target) from None
        temporary.replace(target)


def _compressing(raw: BinaryIO, *, small: bool) -> BinaryIO:
    if small:
        from gzip import GzipFile  # noqa: PLC0415  # as below

        return cast(BinaryIO, GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0))
    from isal import igzip  # noqa: PLC0415  # only compressed output needs it

    best = igzip._COMPRESS_LEVEL_BEST
    return cast(BinaryIO, igzip.IGzipFile(filename="", mode="wb", fileobj=raw, compresslevel=best, mtime=0))


def _explaining(write: Write, target: Path) -> Write:
    def explained(data: bytes) -> None:
        with _explained(target):
            write(data)

    return explained


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn the system's refusal into one line that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"cannot write {target}: {reason}; choose another folder with -o") from error
