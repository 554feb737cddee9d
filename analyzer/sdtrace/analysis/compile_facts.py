"""Evidence about compiled code: what was compiled again and why, graph breaks, small graphs."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.findings import Breaks, Late, Replays
from sdtrace.intervals import Int64s, contains
from sdtrace.phases.timeline import COMPILE, PHASES, STEADY
from sdtrace.reader.categories import GRAPH_LAUNCH

_REGION: Final = re.compile(r"^Torch-Compiled Region: \[?(?:!\d+/)?(\d{1,9})/(\d+)")
_RESUME: Final = re.compile(r"\btorch_dynamo_resume_in_")
_LEAST_CALLS: Final = 2
"""A piece that runs once an iteration may be another component of the pipeline."""


class _Regions(NamedTuple):
    """Calls of compiled code in the order of time: trace rows, frames, and (frame, number of its compile)."""

    row: list[int]
    frame: list[str]
    version: list[tuple[str, str]]
    iteration: list[int]


def late_overhead(study: Study) -> list[Late]:
    """Iterations with overhead after the first steady one, and those that compile again before it."""
    first = next((index for index, label in enumerate(study.labels) if label == STEADY), len(study.labels))
    held = [
        (again.iteration, COMPILE, again.ns) for again in study.phases.recompiles if again.iteration < first
    ]
    held += [
        (index, label, int(study.held_ns[index, PHASES.index(label)]))
        for index, label in enumerate(study.labels)
        if index > first and label != STEADY
    ]
    regions = _regions(study)
    return [_explained(study, regions, Late(*late)) for late in held]


def _explained(study: Study, regions: _Regions, late: Late) -> Late:
    """With what was compiled again and what had changed."""
    late = late._replace(wall_ns=study.iterations[late.iteration].wall_ns)
    if late.phase != COMPILE:
        return late
    earlier = {
        frame for frame, at in zip(regions.frame, regions.iteration, strict=True) if at < late.iteration
    }
    known = {pair for pair, at in zip(regions.version, regions.iteration, strict=True) if at < late.iteration}
    fresh = [
        place
        for place, (frame, at) in enumerate(zip(regions.frame, regions.iteration, strict=True))
        if at == late.iteration and frame in earlier and regions.version[place] not in known
    ]
    frames = list(dict.fromkeys(regions.frame[place] for place in fresh))
    if not fresh:
        return late
    now = fresh[0]
    before = max(place for place in range(now) if regions.frame[place] == regions.frame[now])
    kind, change = _difference(_inputs(study, regions.row[before]), _inputs(study, regions.row[now]))
    return late._replace(frames=frames, kind=kind, change=change)


def _regions(study: Study) -> _Regions:
    trace = study.trace
    rows = np.flatnonzero(trace.named(_REGION))
    rows = rows[np.argsort(trace.start_ns[rows], kind="stable")]
    found = [_REGION.search(trace.names[number]) for number in trace.name[rows].tolist()]
    versions = [(match[1], match[2]) for match in found if match is not None]
    places = study.structure.iterations.at(trace.start_ns[rows]).tolist()
    return _Regions(rows.tolist(), [frame for frame, _ in versions], versions, places)


class _Input(NamedTuple):
    """An op within compiled code, with the shapes and types of its tensors."""

    op: str
    dims: Any
    types: Any


def _inputs(study: Study, region: int) -> list[_Input]:
    """The ops with arguments that a call of compiled code ran, in the order of time."""
    trace = study.trace
    inside = (trace.args >= 0) & (trace.thread == trace.thread[region])
    inside &= (trace.start_ns >= trace.start_ns[region]) & (trace.end_ns <= trace.end_ns[region])
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(trace.start_ns[rows], kind="stable")]
    decoded = [(row, msgspec.json.decode(trace.args_texts[trace.args[row]])) for row in rows.tolist()]
    return [
        _Input(trace.names[trace.name[row]], args["Input Dims"], args.get("Input type"))
        for row, args in decoded
        if isinstance(args, dict) and isinstance(args.get("Input Dims"), list)
    ]


def _difference(before: list[_Input], now: list[_Input]) -> tuple[str | None, str]:
    """The first op that both ran on other shapes, else on other types: what changed, and it in words."""
    if not before or not now:
        return None, ""
    pairs = [(old, new) for old, new in zip(before, now, strict=False) if old.op == new.op]
    for old, new in pairs:
        if old.dims != new.dims:
            return "shape", f"`{old.op}` ran on {_written(old.dims)} before and on {_written(new.dims)} now"
    for old, new in pairs:
        if old.types != new.types:
            return "type", f"`{old.op}` ran on {_first(old.types)} before and on {_first(new.types)} now"
    return "", ""


def _written(dims: Any) -> str:
    """The first tensor's shape: `2x320x64x64`."""
    shapes = [shape for shape in dims if isinstance(shape, list) and shape]
    return "x".join(map(str, shapes[0])) if shapes else "scalars"


def _first(types: Any) -> str:
    return (
        next((str(text) for text in types if text), "no tensor") if isinstance(types, list) else "no tensor"
    )


def graph_breaks(study: Study) -> Breaks | None:
    """Compiled pieces of one function, as names of functions or the order of calls show them."""
    regions = _regions(study)
    steady = {row.index for row in study.steady}
    calls = [frame for frame, at in zip(regions.frame, regions.iteration, strict=True) if at in steady]
    counts = Counter(calls)
    follows = Counter(pairwise(calls))
    resumed = [
        later
        for (earlier, later), count in follows.items()
        if earlier != later
        and int(later) > int(earlier)
        and count == counts[earlier] == counts[later] >= _LEAST_CALLS * len(steady)
    ]
    is_named = bool(study.trace.names_matching(_RESUME).any())
    if not resumed:
        return None
    first = next(earlier for earlier, later in follows if later == resumed[0])
    frames = {first, *resumed}
    pieces = zip(regions.row, regions.frame, strict=True)
    names = {study.trace.names[study.trace.name[row]] for row, frame in pieces if frame in frames}
    return Breaks(sorted(names), counts[resumed[0]], is_named)


def graph_replays(study: Study) -> Replays | None:
    """Steady launches of CUDA graphs; None without any."""
    trace, work = study.trace, study.linked.work
    launches = np.flatnonzero(trace.named(GRAPH_LAUNCH))
    launches = launches[contains(study.phases.timeline.of(STEADY), trace.start_ns[launches])]
    sizes: Int64s = np.bincount(work.launch[work.launch >= 0], minlength=len(trace))[launches]
    launches = launches[sizes > 0]
    if not launches.size:
        return None
    median = int(np.median(sizes[sizes > 0]))
    return Replays(len(launches), median, int(trace.dur_ns[launches].sum()))
