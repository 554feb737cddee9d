"""What must hold for any input whatever: a trace or one line of explanation, soon, and nothing lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sdtrace.attribution.flops import FLOP_OPS
from sdtrace.attribution.op_table import OpTimes, attribute, op_table
from sdtrace.errors import SdtraceError
from sdtrace.trace import Trace, load_trace
from tests.fuzz.mutations import Input

Pipeline = Callable[[Path], Trace]
"""Runs on a file all that is to be tested, and returns the trace it read."""
TIME_LIMIT_S = 20
"""Far more than any of the small inputs takes: what is still running then would run for ever."""


def read_and_attribute(path: Path) -> Trace:
    """Read, attribute, and make both op tables."""
    trace = load_trace(path, FLOP_OPS)
    told = attribute(trace)
    op_table(told, OpTimes.TORCH)
    rows = op_table(told, OpTimes.TRUE)
    ops = sum(row.self_device_ns for row in rows if not row.is_device)
    work = sum(row.self_device_ns for row in rows if row.is_device and not row.is_user_annotation)
    syncs = int(trace.dur_ns[trace.rows({"cuda_sync"})].sum())
    assert ops == work - syncs
    return trace


def check(pipeline: Pipeline, path: Path, given: Input) -> bool:
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
