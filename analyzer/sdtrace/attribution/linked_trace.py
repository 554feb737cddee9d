"""A trace whose host events are nested and whose device work is linked to the ops that launched it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec
import numpy as np

from sdtrace.attribution.flops import FLOP_OPS, flops_of
from sdtrace.attribution.host import HostEvents, host_events
from sdtrace.attribution.links import DeviceWork, link_device_work
from sdtrace.attribution.nesting import Bools, Int32s, Int64s
from sdtrace.reader.categories import LAUNCHES
from sdtrace.trace import Trace

_MIN_SHARE: Final = 0.01
"""Of all launches: a thread with fewer is none that launches."""


@dataclass(frozen=True)
class LinkedTrace:
    """A trace with its host events nested and its device work linked to ops."""

    trace: Trace
    host: HostEvents
    work: DeviceWork
    flops: Int64s
    """Floating-point operations of each host event, 0 where unknown; see `sdtrace.attribution.flops`."""

    @cached_property
    def launching_threads(self) -> Bools:
        """Which threads (by number) launch a share of the device work worth mention, themselves or by their
        ops; of a trace without device work, which run ops."""
        trace, host, work = self.trace, self.host, self.work
        called = trace.thread[work.launch[work.launch >= 0]]
        asked = host.thread[work.op[(work.op >= 0) & (trace.external_id[work.row] > 0)]]
        if not called.size:
            called = host.thread[trace.in_categories({"cpu_op"})[host.row]]
        counts = [np.bincount(threads, minlength=len(trace.threads)) for threads in (called, asked)]
        chosen: Bools = np.logical_or.reduce([n >= max(1, _MIN_SHARE * n.sum()) for n in counts])
        return chosen

    @cached_property
    def called_on(self) -> Int32s:
        """The thread of each host event: of a runtime call that is linked to no op the file's own, for torch
        files it under the thread that ran the profiler."""
        trace, host = self.trace, self.host
        stray = trace.in_categories(LAUNCHES)[host.row] & (trace.external_id[host.row] <= 0)
        return np.where(stray, trace.thread[host.row], host.thread).astype(np.int32)

    @cached_property
    def is_on_launching_thread(self) -> Bools:
        """One for each host event."""
        on_one: Bools = self.launching_threads[self.called_on]
        return on_one


def attribute(trace: Trace, *, with_python: bool = True, as_torch: bool = False) -> LinkedTrace:
    """Nest, link and count, with Python functions (`with_stack`) among the host events or without.

    `as_torch`: with threads and self times as torch's own table has them (see `host_events`).
    """
    host = host_events(trace, with_python=with_python, as_torch=as_torch)
    return LinkedTrace(trace, host, link_device_work(trace, host), _flops(trace, host))


def _flops(trace: Trace, host: HostEvents) -> Int64s:
    """Operations of each host event; equal ops on equal shapes are computed once."""
    flops = np.zeros(len(host), np.int64)
    args = trace.args[host.row]
    is_counted = np.array([name in FLOP_OPS for name in trace.names], np.bool_)
    rows = np.flatnonzero((args >= 0) & is_counted[host.name])
    pairs, which = np.unique(
        host.name[rows].astype(np.int64) * len(trace.args_texts) + args[rows], return_inverse=True
    )
    names, texts = np.divmod(pairs, max(1, len(trace.args_texts)))
    counts = [
        _flops_of_text(trace.names[name], trace.args_texts[text])
        for name, text in zip(names.tolist(), texts.tolist(), strict=True)
    ]
    flops[rows] = np.array(counts, np.int64)[which]
    return flops


def _flops_of_text(name: str, text: str) -> int:
    try:
        args = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return 0
    return flops_of(name, args) if isinstance(args, dict) else 0
