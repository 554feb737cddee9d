"""What a check of `sdtrace doctor` is, and words that several checks look for."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

BUSY: Final = ("MULTIPLE_SUBSCRIBERS", "CUPTI_ERROR_HARDWARE_BUSY", "CUPTI_ERROR_BUSY")
"""What CUPTI says where another profiler has it."""
END_OTHERS: Final = "end nsys, ncu, DCGM profiling or another torch.profiler that uses this GPU"

Status = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One line: what was looked at, what was found, and what to do when it is not ok.

    `fail` is kept for what analyzing needs; what only collecting needs is a `warn`.
    """

    status: Status
    name: str
    found: str
    fix: str = ""
