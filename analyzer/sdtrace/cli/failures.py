"""From an exception to one line on stderr and an exit code.

0 fine; 1 a result that the user asked to fail on; 2 usage, or an output that cannot be written;
3 an input that cannot be read; 70 a fault of sdtrace, whatever it is; 128 + N ended by signal N.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from traceback import print_exception
from typing import Final, NamedTuple, TextIO

import click

from sdtrace.cli.environment import Terminated, silence
from sdtrace.errors import FAULT, SdtraceError
from sdtrace.safe_text import one_line

_INTERRUPTED: Final = 130
_UNWRITABLE: Final = 2
_ENDED_BY: Final = 128


class _Failure(NamedTuple):
    line: str
    code: int


def report(error: BaseException, *, debug: bool) -> int:
    """Say what went wrong in one line, after the traceback if `debug`; the exit code.

    Nothing is said where the reader of the output has enough of it.
    """
    code = _quiet_code(error)
    if code is None:
        line, code = _failure(error)
        with suppress(OSError):
            if debug:
                print_exception(error)
            click.echo(f"sdtrace: {one_line(line)}", err=True)
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    return code


def _quiet_code(error: BaseException) -> int | None:
    """The exit code of what needs no line; None for what does."""
    if isinstance(error, BrokenPipeError):
        return 0
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, SystemExit):
        # rich turns a closed pipe into exit code 1, which here means a condition that was met.
        if isinstance(error.__context__, BrokenPipeError):
            return 0
        return error.code if isinstance(error.code, int) else FAULT
    return None


def _failure(error: BaseException) -> _Failure:
    """What the user did, or what the system refused; all else is our fault."""
    match error:
        case KeyboardInterrupt() | click.Abort():
            return _Failure("interrupted", _INTERRUPTED)
        case Terminated():
            return _Failure("terminated", _ENDED_BY + error.args[0])
        case click.ClickException():
            context = getattr(error, "ctx", None)
            hint = f" (see {context.command_path} --help)" if context else ""
            return _Failure(f"{one_line(error.format_message()).rstrip('.')}{hint}", error.exit_code)
        case SdtraceError():
            return _Failure(str(error), error.exit_code)
        case OSError():
            what = error.filename or "cannot write the output"
            return _Failure(f"{what}: {error.strerror or error}", _UNWRITABLE)
    return _fault(error)


def _fault(error: BaseException) -> _Failure:
    if isinstance(error, MemoryError):
        return _Failure(f"memory ran out{_where(error)}; free some, or give smaller traces", FAULT)
    name = f"{type(error).__name__}: {error}".rstrip(": ")
    what = f"this is a fault of sdtrace: {name}{_where(error)}"
    return _Failure(f"{what}; run it again with --debug and report what that prints", FAULT)


def _where(error: BaseException) -> str:
    return "".join(f" ({note})" for note in getattr(error, "__notes__", ()))


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        silence(stream)
