"""Wall time, processor time and peak memory of whole processes, one at a time."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_LAST_LINE_CHARS = 160


class Usage(NamedTuple):
    """What a process took, its children included."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    """Highest resident set of the process or of one of its children, in 10^6 bytes."""
    others: float
    """Processors that everything else on the machine kept busy meanwhile: times count where it is near 0."""
    failure: str = ""
    """Last line on stderr when the exit code was not 0."""


def run_once(command: Sequence[str], timeout_s: float) -> Usage:
    """Run to the end or to the time limit; stdout is dropped.

    This process must stay small: Linux counts the parent's resident set towards the child's peak.
    """
    with tempfile.TemporaryFile() as stderr:
        start, busy = time.perf_counter(), _busy_s()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        limit = threading.Timer(timeout_s, process.kill)
        limit.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall, busy = time.perf_counter() - start, _busy_s() - busy
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        failure = ""
        if process.returncode:
            stderr.seek(0)
            lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
            said = lines[-1][:_LAST_LINE_CHARS] if lines else f"exit code {process.returncode}"
            failure = f"stopped after {timeout_s:.0f} s" if wall >= timeout_s else said
    cpu = usage.ru_utime + usage.ru_stime
    return Usage(wall, cpu, usage.ru_maxrss * 1024 / 1e6, max(0.0, busy - cpu) / wall, failure)


def _busy_s() -> float:
    """Seconds that the machine's processors have worked, over all of them (Linux's /proc/stat)."""
    user, nice, system, _, _, *rest = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(map(int, (user, nice, system, *rest[:3]))) / os.sysconf("SC_CLK_TCK")


def measure(command: Sequence[str], runs: int, timeout_s: float = 900) -> Usage:
    """Medians over `runs`; the first failure ends it. What others took is the most seen."""
    usages: list[Usage] = []
    for _ in range(runs):
        usages.append(run_once(command, timeout_s))
        if usages[-1].failure:
            return usages[-1]
    return Usage(
        statistics.median(usage.wall_s for usage in usages),
        statistics.median(usage.cpu_s for usage in usages),
        statistics.median(usage.peak_mb for usage in usages),
        max(usage.others for usage in usages),
    )
