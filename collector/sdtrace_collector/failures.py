"""Turns what stopped a run into one line: what, why, what to do. Needs no torch."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from sdtrace.errors import SdtraceError
from sdtrace_collector.errors import DoesNotApply, SetupFailed
from sdtrace_collector.protocol import Failed

INSTALL = "pip install 'sdtrace[collect]'"
SMALLER = "lower --batch, --height and --width, or choose a 16-bit variant"
_NEEDED = ("torch", "diffusers", "transformers", "tokenizers")


def explain(error: BaseException) -> Failed:
    """The event that says why the worker stops."""
    for cause in _causes(error):
        known = _known(cause)
        if known is not None:
            return known
    lines = str(error).strip().splitlines() or ["no message"]
    return Failed(f"{type(error).__name__}: {lines[0]}", expected=False)


def _known(error: BaseException) -> Failed | None:
    if isinstance(error, SdtraceError):
        applies = not isinstance(error, DoesNotApply)
        return Failed(str(error), setup=isinstance(error, SetupFailed), applies=applies)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in _NEEDED:
        return Failed(f"{error.name} is not installed; {INSTALL}", setup=True)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return Failed(f"out of memory; {SMALLER}")
    if type(error).__name__ == "OutOfMemoryError":
        return Failed(f"out of GPU memory: {str(error).splitlines()[0]}; {SMALLER}")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Failed(f"{error.filename or 'disk'}: no space left; free some, or set TMPDIR to another disk")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
