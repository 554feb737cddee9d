"""What can go wrong, each with the exit code it means.

SdtraceError
├── UsageError          2  the command line asks for something impossible
├── UnreadableTrace     3  a file is missing, not a trace, or damaged beyond salvage
└── OutputError         2  the report cannot be written where asked
"""

from __future__ import annotations


class SdtraceError(Exception):
    """A problem the user can act on. `str()` is one line: what, where, why, what to do."""

    exit_code = 1

    def __str__(self) -> str:
        """One line, also where a path or a message of the system has several."""
        return " ".join(super().__str__().split())


class UsageError(SdtraceError):
    """The command line asks for something impossible."""

    exit_code = 2


class UnreadableTrace(SdtraceError):
    """An input is missing, not a trace, or damaged beyond salvage."""

    exit_code = 3


class OutputError(SdtraceError):
    """The report cannot be written where asked."""

    exit_code = 2
