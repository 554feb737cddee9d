"""What can go wrong, each with the exit code it means.

SdtraceError
├── UsageError          2  the command line asks for something impossible
├── UnreadableTrace     3  a file is missing, not a trace, or damaged beyond salvage
├── DifferentWork       4  traces to be compared did not do the same work
└── OutputError         2  the report cannot be written where asked

0 is success; 1 a result that the user asked to fail on; every other exception is a fault of
sdtrace and exits with 70.
"""

from __future__ import annotations

from typing import Final

from sdtrace.safe_text import one_line

FAULT: Final = 70
"""The exit code of a fault of sdtrace itself; `EX_SOFTWARE` in sysexits.h."""


class SdtraceError(Exception):
    """A problem the user can act on. `str()` is one line: what, where, why, what to do."""

    exit_code = FAULT

    def __str__(self) -> str:
        """One line that a terminal does not obey, whatever a path or a message of the system holds."""
        return one_line(super().__str__())


class UsageError(SdtraceError):
    """The command line asks for something impossible."""

    exit_code = 2


class UnreadableTrace(SdtraceError):
    """An input is missing, not a trace, or damaged beyond salvage."""

    exit_code = 3


class DifferentWork(SdtraceError):
    """Traces to be compared did not do the same work, so their speeds say nothing about one another."""

    exit_code = 4


class OutputError(SdtraceError):
    """The report cannot be written where asked."""

    exit_code = 2
