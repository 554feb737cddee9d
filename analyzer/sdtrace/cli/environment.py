"""What a process may find at its start: closed streams, odd widths, narrow encodings; signals."""

from __future__ import annotations

import atexit
import gc
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from types import FrameType
from typing import Final, NoReturn, TextIO

_SIZE: Final = re.compile(r"[2-9]\d|[1-9]\d{2,3}", re.ASCII)
"""20 to 9999: what a table can be laid out in."""
_NARROWEST: Final = 20
_STREAMS: Final = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
"""The standard streams in the order of their numbers, and how the null device stands in for a closed one.

Reading a closed stdin and writing a closed stdout fail then, as they should; what goes to a closed
stderr is dropped.
"""
_FEW_COLLECTIONS: Final = 100_000
"""New objects between two looks for cycles: with Python's 700 they take a twentieth of an analysis."""
_ENDING: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Terminated(BaseException):
    """A signal that ends the process; `args[0]` is its number."""


def prepare() -> None:
    """Make streams, sizes and signals what the rest of the program expects."""
    gc.set_threshold(_FEW_COLLECTIONS)
    for number, (name, mode, flags) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            _occupy(number, flags)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names from traces may hold what a narrow encoding cannot write.
            stream.reconfigure(errors="backslashreplace")
    _settle_width()
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def leave(code: int) -> NoReturn:
    """End the process as it is: to free every array and every function first takes up to a tenth of a run."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever reads it is gone
            stream.flush()
    os._exit(code)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Print inside. Whoever reads the output may stop early: no failure, and no change of the exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except SystemExit as ended:  # rich's answer to a closed pipe
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        silence(sys.stdout)


def silence(stream: TextIO) -> None:
    """Drop what a stream still holds, and what comes: else the interpreter tries again at its end."""
    with suppress(OSError):
        _occupy(stream.fileno(), os.O_WRONLY)


def _settle_width() -> None:
    """Ignore sizes in the environment that no table fits; a narrower terminal wraps its lines itself."""
    for size in ("COLUMNS", "LINES"):
        if not _SIZE.fullmatch(os.environ.get(size, "80")):
            del os.environ[size]
    if "COLUMNS" not in os.environ and 0 < _terminal_width() < _NARROWEST:
        os.environ["COLUMNS"] = str(_NARROWEST)


def _terminal_width() -> int:
    """Columns of the terminal; 0 where there is none."""
    for number in range(len(_STREAMS)):
        with suppress(OSError):
            return os.get_terminal_size(number).columns
    return 0


def _occupy(number: int, flags: int) -> None:
    """Put the null device where a stream is closed: else the next file opened would take its place."""
    device = os.open(os.devnull, flags)
    if device != number:
        os.dup2(device, number)
        os.close(device)


def _terminate(number: int, _: FrameType | None) -> None:
    raise Terminated(number)
