"""What must hold for any input whatever: a trace or one line of explanation, soon, and nothing lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import FrameType

from rich.console import Console

from sdtrace.analysis import Options, build_report
from sdtrace.analysis.study import study_trace
from sdtrace.analysis.trace_report import report_on
from sdtrace.attribution.linked_trace import attribute
from sdtrace.attribution.op_table import OpTimes, for_table, op_table
from sdtrace.errors import SdtraceError
from sdtrace.reader.categories import WORK
from sdtrace.report.terminal import render_terminal
from sdtrace.report.write import FORMATS
from sdtrace.trace import Trace, load_trace
from tests.fuzz.mutations import Input

RunStructure = Callable[[Path], Trace]
"""Runs on a file all that is to be tested, and returns the trace it read."""
ROUNDED_US = 0.01
TIME_LIMIT_S = 60
"""Far more than any of the small inputs takes: what is still running then would run for ever."""


def examples(number: int) -> int:
    """So many where `SDTRACE_FUZZ=full` asks for all of them, else half."""
    return number if os.environ.get("SDTRACE_FUZZ") == "full" else number // 2


def read_and_attribute(path: Path) -> Trace:
    """Read, attribute, and make both op tables."""
    trace = load_trace(path)
    told = attribute(trace)
    op_table(for_table(told, OpTimes.TORCH), OpTimes.TORCH)
    rows = op_table(told, OpTimes.TRUE)
    ops = sum(row.self_device_ns for row in rows if row.device_type == "cpu")
    work = sum(
        row.self_device_ns for row in rows if row.device_type == "device" and not row.is_user_annotation
    )
    assert ops == work
    assert min((min(row[4:9]) for row in rows), default=0) >= 0
    return trace


def analyze_and_render(path: Path) -> Trace:
    """Read, analyze, and render in every format, as `sdtrace analyze` does."""
    trace = load_trace(path)
    options = Options.of(phase=None, op_times="true", rules=None)
    told = report_on(study_trace(trace, options.rules), options)
    assert abs(sum(phase.wall_us for phase in told.phases) - told.wall_us) < ROUNDED_US
    work = trace.dur_ns[trace.rows(WORK)].sum() / 1000
    assert abs(sum(phase.gpu_us for phase in told.phases) - work) < ROUNDED_US
    assert abs(sum(category.gpu_us for category in told.categories) - work) < ROUNDED_US
    report = build_report([told], None)
    for render in FORMATS.values():
        render(report, 10, ())
    render_terminal(report, Console(file=StringIO(), width=80), 10)
    return trace


def check(pipeline: RunStructure, path: Path, given: Input) -> bool:
    """Run `pipeline` on `given`, written to `path`; whether it was read, False when it was refused.

    Raises whatever the pipeline raises that is no SdtraceError, and AssertionError when what it says
    about the file is wrong.
    """
    path.write_bytes(given.data)
    try:
        with time_limit(TIME_LIMIT_S):
            trace = pipeline(path)
    except SdtraceError as error:
        message = str(error)
        assert message.strip(), "the message is empty"
        assert message.splitlines() == [message], f"the message has several lines: {message!r}"
        return False
    told = sum(trace.counts.values()) + trace.skipped
    assert given.least <= told <= given.most, f"{told} events of {given.least} to {given.most}"
    assert trace.salvaged or not given.is_cut, "a cut file is not flagged"
    assert len(trace) + trace.quarantined <= sum(trace.counts.values())
    assert trace.quarantined == 0 or trace.quarantined_examples
    return True


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when the block takes longer, where the system can."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"no end in sight (signal {signum} in {frame})")
