"""The kernel sequences that an op launches, counted as HTA counts them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from sdtrace.hta.call_order import CallOrder, call_order, call_spans, moved_below
from sdtrace.hta.columns import FIRST_INDEX, PYTHON
from sdtrace.intervals import Int64s, place_of
from sdtrace.reader.categories import HOST

_CALLS: Final = HOST - {PYTHON}
"""Python functions launch nothing themselves, and are most events where there are any."""
_STEP: Final = re.compile("ProfilerStep#")
_BACKWARD: Final = re.compile("## backward ##")
_PASS: Final = re.compile("autograd::")
Pattern = tuple[int, ...]
"""The symbol of an op, and those of the work that it launches, in the order of their start."""


@dataclass
class Launched:
    """How often a sequence was launched, the time of its work and of its ops, the indices of all events."""

    count: int = 0
    gpu_ns: int = 0
    cpu_ns: int = 0
    events: list[Int64s] = field(default_factory=list)


def find_sequences(
    frame: Any, symbols: Any, thread: Int64s, operator: str, least: int
) -> Mapping[Pattern, Launched]:
    """What the ops with `operator` in their name launch: sequences of at least `least` pieces of work.

    Of these ops, the ones least deep in calls count. `thread` is that of each event of the whole trace; times
    of `frame`, which HTA's table of `symbols` belongs to, are in nanoseconds. `operator` '' is that of none.

    HTA itself walks the trace once for each op, and goes astray after some ops that last no time.
    """
    numbers = symbols.get_sym_index()
    host = frame[frame["cat"].isin([numbers[name] for name in _CALLS if name in numbers])]
    order = _calls(host, thread[host["index"].to_numpy() - FIRST_INDEX], symbols.get_sym_table())
    index, names, dur = (host[key].to_numpy()[order.event] for key in ("index", "name", "dur"))
    callers = np.isin(names, [number for name, number in numbers.items() if operator and operator in name])
    callers &= order.depth == order.depth[callers].min(initial=len(callers))
    first, stop = call_spans(order, callers)
    found: dict[Pattern, Launched] = defaultdict(Launched)
    for caller, work in _work_of(frame, index, first, stop):
        if len(work) >= least:
            at = first[caller]
            launched = found[(int(names[at]), *work["name"].tolist())]
            launched.count += 1
            launched.gpu_ns += int(work["dur"].sum())
            launched.cpu_ns += int(dur[at])
            launched.events += [index[at : stop[caller]], work["index"]]
    return found


def _calls(host: Any, thread: Int64s, symbols: list[str]) -> CallOrder:
    """The calls of a host frame in order.

    As HTA has it, the thread of backward passes runs below the annotations of these, else below the
    profiler's steps, where one thread has the steps and one the passes.
    """
    start, dur, name = (host[key].to_numpy() for key in ("ts", "dur", "name"))
    order = call_order(thread, start, dur)
    step, passed, backward = (
        np.array([test(text) for text in symbols], np.bool_)[name]
        for test in (_STEP.match, _BACKWARD.match, _PASS.search)
    )
    main = np.unique(thread[step])
    other = np.setdiff1d(thread[backward], main)
    if len(main) != 1 or len(other) != 1:
        return order
    above = np.flatnonzero((passed if passed[thread == main].any() else step) & (thread == main))
    above = above[np.argsort(start[above], kind="stable")]
    within = place_of(start[above], (start + dur)[above] + 1, start)
    within[(thread != other) | (start + dur > (start + dur)[above][within])] = -1
    place = np.zeros(len(order.event), np.int64)
    place[order.event] = np.arange(len(place))
    return moved_below(order, np.where(within >= 0, place[above][within], -1)[order.event])


def _work_of(frame: Any, index: Int64s, first: Int64s, stop: Int64s) -> Iterator[tuple[int, Any]]:
    """The work launched within each span of places, by its start; `index` is that of each place's event."""
    work = frame[(frame["stream"] >= 0) & (frame["index_correlation"] > 0)]
    place = np.full(int(frame["index"].max()) + 1, -1, np.int64)
    place[index] = np.arange(len(index))
    caller = place_of(first, stop, place[work["index_correlation"].to_numpy()])
    rows = work[["index", "ts", "dur", "name"]].to_records(index=False)[caller >= 0]
    caller = caller[caller >= 0]
    order = np.lexsort((rows["index"], rows["ts"], caller))
    rows, caller = rows[order], caller[order]
    begin = np.flatnonzero(np.diff(caller, prepend=-1))
    for start, end in pairwise([*begin.tolist(), len(rows)]):
        yield int(caller[start]), rows[start:end]


def as_frame(found: Mapping[Pattern, Launched], symbols: list[str]) -> Any:
    """The frame that HTA's `get_frequent_cuda_kernel_sequences` gives, times in microseconds.

    Most frequent first; its index is the place of each in `ranked`.
    """
    launched = [found[pattern] for pattern in ranked(found, symbols)]
    return pd.DataFrame(
        {
            "pattern": [as_text(pattern, symbols) for pattern in ranked(found, symbols)],
            "count": [one.count for one in launched],
            "GPU kernel duration (us)": [one.gpu_ns / 1000 for one in launched],
            "CPU op duration (us)": [one.cpu_ns / 1000 for one in launched],
        }
    )


def ranked(found: Mapping[Pattern, Launched], symbols: list[str]) -> list[Pattern]:
    """The sequences, most frequent first, equally frequent ones by their text."""
    return sorted(found, key=lambda pattern: (-found[pattern].count, as_text(pattern, symbols)))


def as_text(pattern: Pattern, symbols: list[str]) -> str:
    """The names of a sequence as HTA writes them."""
    return "|".join(symbols[number] for number in pattern)
