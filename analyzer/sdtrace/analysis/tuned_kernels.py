"""Kernels that autotune chose: whether it tried faster ones, and whether they run at the size it tried.

Inductor times each candidate some hundred times with events around it. A trace has the candidates' own
durations, which say more: where the GPU waits for each launch, events time the launch.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.study import Study
from sdtrace.attribution.host import sum_by
from sdtrace.findings import Tuned
from sdtrace.intervals import Bools, Int64s
from sdtrace.phases.timeline import AUTOTUNE, STEADY

Floats = NDArray[np.float64]
_ROUNDS: Final = 20
"""So often a candidate is timed at least; fewer runs tell no median."""
_SLOWER: Final = 0.95
"""A candidate that takes this share of the chosen one's time was faster; less is chance."""
_SHOWN: Final = 5


class _Candidates(NamedTuple):
    """What autotune timed, one entry for each candidate of each benchmark; nanoseconds.

    A candidate is a kernel's `name` with `args`, both as in the trace: grid, block, registers, shared memory.
    """

    name: Int64s
    args: Int64s
    benchmark: Int64s
    median_ns: Int64s
    best_ns: Int64s
    """Of the fastest candidate of the same benchmark."""
    waited_ns: Int64s
    """The median of how long its stream had nothing to do before it."""


def tuned(study: Study) -> Tuned | None:
    """Steady kernels that were tuned in the same trace; None without any."""
    found = _candidates(study)
    if found is None:
        return None
    trace = study.trace
    row = study.linked.work.row[study.phases.work_mask(STEADY)]
    row = row[_is_in(trace.name[row].astype(np.int64), found.name)]
    if not row.size:
        return None
    place, is_known = _places(study, found, row)
    share = _shares(found, place)
    dur_ns, name = trace.dur_ns[row], trace.name[row].astype(np.int64)
    lost_ns = np.rint(dur_ns * (1 - share)).astype(np.int64)
    lost = np.bincount(place[place >= 0], lost_ns[place >= 0], len(found.name))
    first = int(np.argmax(lost))
    return Tuned(
        ns=int(dur_ns.sum()),
        lost_ns=int(lost_ns.sum()),
        names=[trace.names[found.name[number]] for number in np.argsort(-lost, kind="stable")[:_SHOWN]],
        kernels=int(np.count_nonzero(lost)),
        chosen_ns=int(found.median_ns[first]),
        best_ns=int(found.best_ns[first]),
        tried=int(np.count_nonzero(found.benchmark == found.benchmark[first])),
        waited_ns=int(np.median(found.waited_ns)),
        timed_ns=int(np.median(found.median_ns)),
        elsewhere_ns=int(dur_ns[~is_known].sum()),
        elsewhere_names=_most(study, name, np.where(is_known, 0, dur_ns)),
    )


def tuned_shares(study: Study, rows: Int64s) -> Floats:
    """The share of its time that the work of each trace row would take with the fastest candidate tried.

    1 where that is unknown, and for all that was not tuned.
    """
    found = _candidates(study)
    return np.ones(len(rows)) if found is None else _shares(found, _places(study, found, rows)[0])


def _candidates(study: Study) -> _Candidates | None:
    trace, work, phases = study.trace, study.linked.work, study.phases
    spans = phases.timeline.of(AUTOTUNE)
    if phases.autotune_by_pattern or not spans.start.size:
        return None  # Without spans each candidate is a benchmark of its own.
    mask = phases.work_mask(AUTOTUNE) & (work.launch >= 0)
    row = work.row[mask]
    order = np.argsort(trace.start_ns[row], kind="stable")
    row, launch = row[order], work.launch[mask][order]
    waited = np.maximum(0, trace.start_ns[row] - np.append(0, np.maximum.accumulate(trace.end_ns[row])[:-1]))
    is_kernel = trace.in_categories({"kernel"})[row] & (trace.args[row] >= 0)
    row, launch, waited = row[is_kernel], launch[is_kernel], waited[is_kernel]
    if not row.size:
        return None
    benchmark = np.searchsorted(spans.start, trace.start_ns[launch], "right") - 1
    name, args = trace.name[row].astype(np.int64), trace.args[row].astype(np.int64)
    key = (benchmark * len(trace.names) + name) * len(trace.args_texts) + args
    _, first, which, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    kept = (count >= _ROUNDS) & ~_flushes(study, benchmark[first], name[first])
    if not kept.any():
        return None
    median = _medians(trace.dur_ns[row], which, count)[kept]
    mine = benchmark[first][kept]
    best = np.full(len(spans.start), np.iinfo(np.int64).max)
    np.minimum.at(best, mine, median)
    gaps = _medians(waited, which, count)[kept]
    return _Candidates(name[first][kept], args[first][kept], mine, median, best[mine], gaps)


def _flushes(study: Study, benchmark: Int64s, name: Int64s) -> Bools:
    """Kernels that run in several benchmarks: fills that flush the cache, copies of arguments."""
    pairs = np.unique(np.stack([name, benchmark]), axis=1)[0]
    fills = np.array(["FillFunctor" in text for text in study.trace.names], np.bool_)
    often = np.bincount(pairs, minlength=len(fills)) > max(2, len(np.unique(benchmark)) // 2)
    found: Bools = (fills | often)[name]
    return found


def _medians(values: Int64s, which: Int64s, count: Int64s) -> Int64s:
    """The median of the values of each group."""
    width = int(values.max(initial=0)) + 1
    ordered = np.sort(which * width + values) % width
    found: Int64s = ordered[np.cumsum(count) - count + count // 2]
    return found


def _places(study: Study, found: _Candidates, row: Int64s) -> tuple[Int64s, Bools]:
    """For the work of each row which candidate it is, -1 for none or one of several; and if it is any."""
    trace = study.trace
    width = len(trace.args_texts)
    key = found.name * width + found.args
    distinct, first, count = np.unique(key, return_index=True, return_counts=True)
    mine = trace.name[row].astype(np.int64) * width + trace.args[row]
    at = np.minimum(np.searchsorted(distinct, mine), len(distinct) - 1)
    is_known = (distinct[at] == mine) & (trace.args[row] >= 0)
    return np.where(is_known & (count[at] == 1), first[at], -1), is_known


def _shares(found: _Candidates, place: Int64s) -> Floats:
    share = np.append(found.best_ns / np.maximum(1, found.median_ns), 1.0)[place]
    return np.where(share < _SLOWER, share, 1.0)


def _is_in(values: Int64s, wanted: Int64s) -> Bools:
    found: Bools = np.isin(values, np.unique(wanted))
    return found


def _most(study: Study, name: Int64s, ns: Int64s) -> list[str]:
    """Names by how much of a time is theirs, most first."""
    sums = sum_by(name, ns, len(study.trace.names))
    order = np.argsort(-sums, kind="stable")[:_SHOWN]
    return [study.trace.names[number] for number in order.tolist() if sums[number]]
