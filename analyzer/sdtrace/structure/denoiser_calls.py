"""Calls of what a pipeline runs once a step: marked denoisers and steps, compiled graphs, CUDA graphs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import COMPILED_REGION, named_like, outermost
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, contains_any
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.structure.candidates import Kind, OpSequence, names_of
from sdtrace.structure.component_names import DENOISERS
from sdtrace.structure.components import Components
from sdtrace.structure.iterations import Confidence
from sdtrace.structure.work import Work

STEP_MARK: Final = re.compile(
    r"^(?:denois(?:e|er|ing)|diffusion|sampl(?:er|ing)|inference)?[_ -]?(?:time_?)?step(?:\b|_|\d)"
    r"|^denois(?:e|er|ing)(?:\b|_|\d)|^timestep",
    re.IGNORECASE,
)
"""Annotations of one denoising step, or of the loop over them."""
SURE_STEP: Final = re.compile(r"^(?:denois(?:e|ing)|diffusion|sampl(?:er|ing))[_ -]?step", re.IGNORECASE)
"""Those that are steps whatever else the trace holds."""
_ALIKE: Final = 0.1
"""Share of the work of a decoder's call that a denoiser's has at least; that of a text encoder has less."""
_FX_GRAPH: Final = re.compile(r"^## Call CompiledFxGraph (\w{8}).*")
_COMPILE_ID: Final = re.compile(r"(\d+)/\d+$")
_LAYER: Final = re.compile(r"^aten::(?:\w*conv\w*|linear|\w*mm)$")


@dataclass(frozen=True)
class Calls:
    """Disjoint host spans in order on one thread, int64 nanoseconds.

    `number` is what each name counts (-1 where it counts nothing). `what` names them in a few words.
    `is_one_run` says that all of them make one image.
    """

    kind: Kind
    start_ns: Int64s
    end_ns: Int64s
    number: Int64s
    thread: int
    what: str
    confidence: Confidence
    is_one_run: bool = False

    def __len__(self) -> int:
        return len(self.start_ns)


def marked_calls(marked: Components) -> Calls | None:
    """Calls of the denoisers that the trace names."""
    calls = marked.only(DENOISERS)
    if not len(calls):
        return None
    thread = int(np.bincount(calls.thread).argmax())
    mine = calls.thread == thread
    start, end = calls.start_ns[mine], calls.end_ns[mine]
    order = np.argsort(start, kind="stable")
    what = f"calls of the {marked.names[calls.code[0]]}"
    number = np.full(len(order), -1, np.int64)
    return Calls("marked_image", start[order], end[order], number, thread, what, marked.confidence)


def in_pairs(calls: Calls, marked: Components) -> Calls | None:
    """Pairs of calls, where the scheduler runs after every second one: guidance in two calls a step."""
    scheduler = marked.only(["scheduler"]).start_ns
    after = np.searchsorted(np.sort(scheduler), calls.start_ns)
    opens = np.flatnonzero(np.append(True, np.diff(after) > 0))
    if not scheduler.size or not np.all(np.diff(np.append(opens, len(calls))) == 2):  # a pair
        return None
    return replace(
        calls, start_ns=calls.start_ns[opens], end_ns=calls.end_ns[opens + 1], number=calls.number[opens]
    )


def step_marks(linked: LinkedTrace, *, is_diffusion: bool) -> Calls | None:
    """Annotations of denoising steps; where nothing else speaks of diffusion only those that are sure."""
    pattern = STEP_MARK if is_diffusion else SURE_STEP
    events = outermost(linked, named_like(linked, pattern, {"user_annotation"}))
    if not events.size:
        return None
    thread = int(np.bincount(linked.host.thread[events]).argmax())
    events = events[linked.host.thread[events] == thread]
    names = names_of(linked, events)
    what = f"spans of the annotation '{names[0]}'"
    return _of_events(linked, events, "step_marks", what, "certain", _numbers(names))


def all_compiled_calls(linked: LinkedTrace, thread: int) -> Calls | None:
    """Calls of all compiled functions on `thread`."""
    events = _compiled(linked, thread)
    if not events.size:
        return None
    return _of_events(linked, events, "compiled_calls", "calls of compiled graphs", "likely")


def compiled_calls(linked: LinkedTrace, thread: int, work: Work) -> list[Calls]:
    """Calls of each compiled function (its recompilations being one), the denoiser first, then by work."""
    events = _compiled(linked, thread)
    if not events.size:
        return []
    number, which = np.unique(linked.trace.name[linked.host.row[events]], return_inverse=True)
    keys = [_COMPILE_ID.sub(r"\1", linked.trace.names[name]) for name in number.tolist()]
    distinct = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    code = np.array([distinct[key] for key in keys], np.int64)[which]
    start = linked.host.start_ns[events]
    spent = work.between(start, start + linked.host.dur_ns[events])
    found = []
    for group in _heaviest_first(code, spent):
        name = _FX_GRAPH.sub(r"CompiledFxGraph \1", keys[int(which[group[0]])])
        calls = _of_events(linked, events[group], "compiled_calls", f"calls of '{name}'", "likely")
        found.append((calls, float(spent[group].mean())))
    return _denoiser_first(found)


def _compiled(linked: LinkedTrace, thread: int) -> Int64s:
    events = named_like(linked, COMPILED_REGION, {"user_annotation", "cpu_op"})
    return outermost(linked, events[linked.host.thread[events] == thread])


def are_parts(linked: LinkedTrace, ops: OpSequence, calls: Calls, decodes: Intervals) -> bool:
    """Whether layers of a network run between most of the calls: then each call is a part of it, no step.

    Calls between which an image is decoded are left out: a preview is shown there.
    """
    begin, end = calls.end_ns[:-1], calls.start_ns[1:]
    layers = np.append(0, np.cumsum(ops.named(linked.trace.names_matching(_LAYER))))
    between = np.diff(layers[np.searchsorted(ops.start_ns, np.stack((begin, end)))], axis=0)[0]
    between = between[~contains_any(decodes.start, begin, end)]
    return bool(between.size) and bool(np.mean(between > 0) > 0.5)  # most


def graph_launches(linked: LinkedTrace, thread: int) -> list[Calls]:
    """Launches of CUDA graphs by how many kernels they hold, the denoiser first, then by work."""
    events = named_like(linked, GRAPH_LAUNCH, {"cuda_runtime", "cuda_driver"})
    events = events[linked.host.thread[events] == thread]
    if not events.size:
        return []
    work, trace = linked.work, linked.trace
    row = linked.host.row[events]
    kernels = sum_by(work.launch, np.ones(len(work.row), np.int64), len(trace))[row]
    busy = sum_by(work.launch, trace.dur_ns[work.row], len(trace))[row]
    found = []
    for group in _heaviest_first(kernels, busy):
        what = f"launches of a CUDA graph of {kernels[group[0]]:,} kernels"
        calls = _of_events(linked, events[group], "graph_launches", what, "likely")
        found.append((calls, float(busy[group].mean())))
    return _denoiser_first(found)


def _denoiser_first(found: list[tuple[Calls, float]]) -> list[Calls]:
    """Calls (with the work of one) as given, but first those that precede most of the heaviest calls.

    Where every few steps are decoded to show a preview, most work may be the decoder's.
    """
    calls = [one for one, _ in found]
    heaviest, most = found[0]
    for one, spent in found[1:]:
        between = contains_any(one.start_ns, heaviest.end_ns[:-1], heaviest.start_ns[1:])
        precedes = bool(one.start_ns[0] < heaviest.start_ns[0]) and between.size > 0
        if precedes and 2 * between.sum() >= len(between) and spent >= _ALIKE * most:
            return [one, *(other for other in calls if other is not one)]
    return calls


def _heaviest_first(code: Int64s, weight: Int64s) -> list[Int64s]:
    """Places of each code, in the order of their summed weight."""
    distinct, which = np.unique(code, return_inverse=True)
    sums = np.bincount(which, weight, len(distinct))
    return [np.flatnonzero(which == place) for place in np.argsort(-sums, kind="stable")[:8].tolist()]


def _numbers(names: list[str]) -> Int64s:
    """The last number in each name, -1 where one has none."""
    found = [re.findall(r"\d{1,9}", name) for name in names]
    return np.array([int(numbers[-1]) if numbers else -1 for numbers in found], np.int64)


def _of_events(
    linked: LinkedTrace,
    events: Int64s,
    kind: Kind,
    what: str,
    confidence: Confidence,
    number: Int64s | None = None,
) -> Calls:
    order = np.argsort(linked.host.start_ns[events], kind="stable")
    events = events[order]
    start = linked.host.start_ns[events]
    number = np.full(len(events), -1, np.int64) if number is None else number[order]
    thread = int(linked.host.thread[events[0]])
    return Calls(kind, start, start + linked.host.dur_ns[events], number, thread, what, confidence)
