"""The thread that ran the profiler: torch files what belongs to no thread under it."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.reader.categories import HOST, LAUNCHES
from sdtrace.trace import Trace
from sdtrace.trace.model import Bools, Int64s

_WAIT_FOR_DEVICE: Final = re.compile(r"^(?:cudaDeviceSynchronize|hipDeviceSynchronize|cuCtxSynchronize)")
_NUMBER: Final = re.compile(r"-?\d+")
_OF_THREADS: Final = HOST - {"overhead"}
_STEP: Final = re.compile(r"^ProfilerStep#\d")


def profiler_threads(trace: Trace) -> Int64s:
    """For each process of `trace` the thread that stopped its profiler (int64), -1 where it has no thread.

    torch waits for the device as the last thing before it stops, so a last wait on a thread where no op
    begins after it is the profiler's own. Without one it is the thread of the profiler's steps, else the
    main thread (its id is the process's on Linux) when it ran ops, else the thread with most ops.
    """
    ops = _per_thread(trace, trace.rows({"cpu_op"}))
    steps = trace.rows({"user_annotation", "cpu_op"})
    steps = _per_thread(trace, steps[trace.names_matching(_STEP)[trace.name[steps]]])
    evidence = (ops, _is_main(trace) & (ops > 0), steps, _has_last_wait(trace))
    threads = np.flatnonzero((trace.process >= 0) & (_per_thread(trace, trace.rows(_OF_THREADS)) > 0))
    # By process, the best of each last.
    order = np.lexsort((-threads, *(column[threads] for column in evidence), trace.process[threads]))
    found = np.full(len(trace.processes), -1, np.int64)
    found[trace.process[threads[order]]] = threads[order]
    return found


def _per_thread(trace: Trace, rows: Int64s) -> Int64s:
    return np.bincount(trace.thread[rows], minlength=len(trace.threads))


def _is_main(trace: Trace) -> Bools:
    """Which threads bear the number of their process, labels of mergers aside."""
    numbers = [_NUMBER.findall(str(thread.pid)) for thread in trace.threads]
    tids = [str(thread.tid) for thread in trace.threads]
    return np.array([tid in found for tid, found in zip(tids, numbers, strict=True)], np.bool_)


def _has_last_wait(trace: Trace) -> Bools:
    """Which threads made the last wait for the device in their process, and began no op after it."""
    has = np.zeros(len(trace.threads), np.bool_)
    rows = trace.rows(LAUNCHES)
    rows = rows[trace.names_matching(_WAIT_FOR_DEVICE)[trace.name[rows]]]
    rows = rows[np.argsort(trace.start_ns[rows], kind="stable")]
    last = np.full(len(trace.processes), -1, np.int64)
    last[trace.process_of(rows)] = rows
    last = last[last >= 0]
    ops = trace.rows({"cpu_op"})
    op_ns = np.full(len(trace.threads), np.iinfo(np.int64).min)
    np.maximum.at(op_ns, trace.thread[ops], trace.start_ns[ops])
    has[trace.thread[last]] = trace.start_ns[last] >= op_ns[trace.thread[last]]
    return has
