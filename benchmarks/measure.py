"""Wall time, processor time and peak memory of whole processes, one at a time."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

_LAST_LINE_CHARS = 160


class Usage(NamedTuple):
    """What a process took, its children included."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    """Highest resident set of the process or of one of its children, in 10^6 bytes."""
    load: float
    """Load average of the last minute, just before the start: what others did."""
    failure: str = ""
    """Last line on stderr when the exit code was not 0."""


def run_once(command: Sequence[str], timeout_s: float) -> Usage:
    """Run to the end or to the time limit; stdout is dropped.

    This process must stay small: Linux counts the parent's resident set towards the child's peak.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        limit = threading.Timer(timeout_s, process.kill)
        limit.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        failure = ""
        if process.returncode:
            stderr.seek(0)
            lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
            said = lines[-1][:_LAST_LINE_CHARS] if lines else f"exit code {process.returncode}"
            failure = f"stopped after {timeout_s:.0f} s" if wall >= timeout_s else said
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, load, failure)


def measure(command: Sequence[str], runs: int, timeout_s: float = 900) -> Usage:
    """Medians over `runs`; the first failure ends it. The load is the highest seen."""
    usages: list[Usage] = []
    for _ in range(runs):
        usages.append(run_once(command, timeout_s))
        if usages[-1].failure:
            return usages[-1]
    return Usage(
        statistics.median(usage.wall_s for usage in usages),
        statistics.median(usage.cpu_s for usage in usages),
        statistics.median(usage.peak_mb for usage in usages),
        max(usage.load for usage in usages),
    )
