"""The columns of HTA's frame as arrays, times in integer nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.study import Study
from sdtrace.intervals import Bools, Int64s
from sdtrace.reader.categories import LAUNCHES, WORK
from sdtrace.trace import Trace
from sdtrace.trace.model import Thread

WAIT: Final = "cuda_sync"
PYTHON: Final = "python_function"
FIRST_INDEX: Final = 1
"""The index of the first event: to HTA a link to index 0 is no link."""
_NOT_IN_FRAME: Final = frozenset({"Trace", ""})
"""HTA leaves out the profiler's own spans, and events without a category."""
_STEP: Final = re.compile(r"ProfilerStep\s*#\s*(\d+)")
_NONE: Final = -1
_Column = NDArray[Any]


def frame_rows(trace: Trace, chosen: Bools | None) -> Int64s:
    """The events that HTA's frame has, as indices into the trace."""
    kept = ~trace.in_categories(_NOT_IN_FRAME)
    return np.flatnonzero(kept if chosen is None else kept & chosen)


class Symbols:
    """All names and categories of some traces, each once."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        texts = (text for trace in traces for text in (*trace.names, *trace.categories))
        self._place = {text: place for place, text in enumerate(dict.fromkeys(texts))}

    @property
    def texts(self) -> list[str]:
        """In the order of their numbers."""
        return list(self._place)

    def numbers(self, texts: Sequence[str]) -> _Column:
        """The number of each text (int32)."""
        return np.array([self._place[text] for text in texts], np.int32)


def columns(study: Study, rows: Int64s, symbols: Symbols, add_ns: int = 0) -> Mapping[str, _Column]:
    """HTA's columns of the events `rows`.

    `ts` (since the trace's first event, and `add_ns`), `dur` and `end` are int64 nanoseconds. `index` counts
    from 1 in the order of the file. `index_correlation` links work and waits to the call, and the call to the
    last of its work: 0 where the other one is not in the frame, -1 where an event has no correlation.
    `stream` is -1 for what is no work or wait. `memory_bw_gbps` is size by duration.
    """
    trace = study.trace
    linked = _links(study)
    inside = np.zeros(len(trace) + 1, np.bool_)
    inside[rows] = True
    names, categories = symbols.numbers(trace.names), symbols.numbers(trace.categories)
    correlation = _correlations(study)[rows]
    link = np.where(inside[linked[rows]], linked[rows] + FIRST_INDEX, np.minimum(correlation, 0))
    start, dur, nbytes = trace.start_ns[rows] + add_ns, trace.dur_ns[rows], trace.nbytes[rows]
    sized = (nbytes >= 0) & (dur > 0)
    return {
        "index": (rows + FIRST_INDEX).astype(np.int32),
        "cat": categories[trace.category[rows]],
        "name": names[trace.name[rows]],
        "pid": _of_threads([thread.pid for thread in trace.threads], trace.thread[rows]),
        "tid": _of_threads([thread.tid for thread in trace.threads], trace.thread[rows]),
        "ts": start,
        "dur": dur,
        "stream": _streams(trace)[rows],
        "correlation": correlation,
        "bytes": nbytes,
        "memory_bw_gbps": np.where(sized, nbytes, 0) / np.where(sized, dur, 1),
        "wait_on_stream": np.full(len(rows), _NONE, np.int8),
        "wait_on_cuda_event_record_corr_id": np.full(len(rows), _NONE, np.int8),
        "external_id": _numbers(trace.external_id[rows]),
        "index_correlation": link.astype(np.int32),
        "iteration": _iterations(trace, linked)[rows],
        "end": start + dur,
    }


def _numbers(ids: Int64s) -> Int64s:
    """Ids as HTA has them: -1 for none."""
    return np.where(ids == 0, _NONE, ids)


def _of_threads(values: list[int | str], thread: _Column) -> _Column:
    """A value of each event's thread: int64 where those of all events are integers, else objects."""
    used = np.flatnonzero(np.bincount(thread, minlength=len(values)))
    held = [values[number] for number in used.tolist()]
    whole = all(isinstance(value, int) and abs(value) < 2**63 for value in held)
    table = np.zeros(len(values), np.int64 if whole else object)
    table[used] = held
    return table[thread]


def _streams(trace: Trace) -> Int64s:
    """The stream of work and waits, -1 for everything else."""
    of_thread = np.array([_stream(thread) for thread in trace.threads], np.int64)
    return np.where(trace.in_categories(WORK | {WAIT}), of_thread[trace.thread], _NONE)


def _stream(thread: Thread) -> int:
    """The number of a stream; -1 where it has none, as a wait for the whole device."""
    text = str(thread.tid).removeprefix("stream").strip()
    number = int(text) if text.isdecimal() and text.isascii() else _NONE
    return number if number < 2**31 else _NONE


def _correlations(study: Study) -> Int64s:
    """The correlation of each event, -1 for none; apart for processes, whose numbers may be equal."""
    trace, work = study.trace, study.linked.work
    found = trace.correlation
    if len(trace.processes) > 1:
        process = trace.process[trace.thread].astype(np.int64)
        process[work.row] = work.process
        apart = int(found.max(initial=0)) + 1
        found = np.where(found > 0, found + np.maximum(process, 0) * apart, found)
    return _numbers(found)


def _links(study: Study) -> Int64s:
    """The row that each event is linked to, -1 for none: work and its launch, waits and their call."""
    trace, work = study.trace, study.linked.work
    found = np.full(len(trace), _NONE, np.int64)
    waits, calls = trace.rows({WAIT}), trace.rows(LAUNCHES)
    if waits.size and calls.size:
        order = calls[np.argsort(trace.correlation[calls], kind="stable")]
        place = np.searchsorted(trace.correlation[order], trace.correlation[waits])
        call = order[np.minimum(place, len(order) - 1)]
        same = (trace.correlation[call] == trace.correlation[waits]) & (trace.correlation[waits] > 0)
        found[waits[same]], found[call[same]] = call[same], waits[same]
    known = work.launch >= 0
    found[work.row], found[work.launch[known]] = work.launch, work.row[known]
    return found


def found_iterations(study: Study) -> _Column:
    """The iteration that each event was launched or started in, as sdtrace finds them: from 1; 0 outside."""
    trace, linked = study.trace, _links(study)
    of_host = ~trace.in_categories(WORK | {WAIT})
    called = np.where(of_host | (linked < 0), np.arange(len(trace)), linked)
    return study.structure.iterations.at(trace.start_ns[called]).astype(np.int32) + 1


def _iterations(trace: Trace, linked: Int64s) -> _Column:
    """The profiler step that each event started in, work that of its launch; -1 outside (int32)."""
    numbers = [int(found[1]) if (found := _STEP.match(name)) else _NONE for name in trace.names]
    number = np.array(numbers, np.int64)[trace.name]
    steps = np.flatnonzero((number >= 0) & ~trace.in_categories({"gpu_user_annotation"}))
    result = np.full(len(trace), _NONE, np.int32)
    if steps.size:
        steps = steps[np.argsort(trace.start_ns[steps], kind="stable")]
        of_host = ~trace.in_categories(WORK | {WAIT})
        place = np.searchsorted(trace.start_ns[steps], trace.start_ns, "right") - 1
        step = steps[np.maximum(place, 0)]
        inside = of_host & (place >= 0) & (trace.start_ns < trace.end_ns[step])
        result[inside] = number[step[inside]]
        launched = np.flatnonzero(~of_host & (linked >= 0))
        result[launched] = result[linked[launched]]
    return result
