"""Components of a diffusion pipeline that nothing names, from the order in which it must run."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals, contains, contains_any
from sdtrace.structure.candidates import OpSequence
from sdtrace.structure.component_names import GROUP_NORM
from sdtrace.structure.components import Components, no_components
from sdtrace.structure.decodes import decode_stages
from sdtrace.structure.iterations import Iterations
from sdtrace.structure.steps import Steps

_NAMES: Final = ["text_encoder", "unet", "transformer", "vae"]
_TEXT, _UNET, _TRANSFORMER, _VAE = range(4)
_EMBEDDING: Final = "aten::embedding"


class _Loops(NamedTuple):
    """One per iteration that holds steps: its bounds, and those of its denoising loop; `first` is a step."""

    start_ns: Int64s
    end_ns: Int64s
    loop_start_ns: Int64s
    loop_end_ns: Int64s
    first: Int64s


def guess_components(  # all that was found so far
    linked: LinkedTrace,
    ops: OpSequence,
    iterations: Iterations,
    steps: Steps,
    launches: LaunchTimes,
    overhead: Intervals,
) -> Components:
    """Text encoder, denoiser, VAE by place: before the first step, the steps, after the last.

    Steps with group normalization are a UNet's, without it a transformer's; what follows is a VAE when
    it has it or upsamples, what precedes a text encoder when it looks up embeddings. Compilation between
    the last look-up and the first step is the denoiser's; `overhead` is when anything compiled, tuned or
    captured.
    """
    if not (iterations.at(steps.start_ns) >= 0).any():
        return no_components()
    loops = _loops(iterations, steps)
    lookups = _lookups(linked, overhead)
    loop_start = _with_compilation(loops.loop_start_ns, lookups, overhead)
    normal = _launches_like(linked, launches, GROUP_NORM)
    text = contains_any(lookups, loops.start_ns, loop_start)
    decoding = np.sort(np.append(normal, decode_stages(linked, ops).start))
    image = contains_any(decoding, loops.loop_end_ns, loops.end_ns)
    is_unet = contains_any(normal, steps.start_ns, steps.end_ns).mean() > 0.5
    step_start = steps.start_ns.copy()
    step_start[loops.first[text]] = loop_start[text]
    code = np.repeat([_TEXT, _UNET if is_unet else _TRANSFORMER, _VAE], [text.sum(), len(steps), image.sum()])
    start = np.concatenate((loops.start_ns[text], step_start, loops.loop_end_ns[image]))
    end = np.concatenate((loop_start[text], steps.end_ns, loops.end_ns[image]))
    order = np.argsort(start, kind="stable")
    how = "Nothing names components: they were guessed from their order around the denoising steps."
    thread = np.full(len(code), steps.thread, np.int64)
    return Components(list(_NAMES), code[order], thread, start[order], end[order], how, "guess")


def _loops(iterations: Iterations, steps: Steps) -> _Loops:
    place = iterations.at(steps.start_ns)
    inside = np.flatnonzero(place >= 0)
    iteration, first = np.unique(place[inside], return_index=True)
    last = np.append(first[1:], len(inside)) - 1
    return _Loops(
        iterations.start_ns[iteration],
        iterations.end_ns[iteration],
        steps.start_ns[inside[first]],
        steps.end_ns[inside[last]],
        inside[first],
    )


def _lookups(linked: LinkedTrace, overhead: Intervals) -> Int64s:
    """When embeddings were looked up, not traced by a compiler; sorted."""
    embedding = np.array([name == _EMBEDDING for name in linked.trace.names], np.bool_)
    start = linked.host.start_ns[embedding[linked.host.name]]
    return np.sort(start[~contains(overhead, start)])


def _with_compilation(loop_start: Int64s, lookups: Int64s, overhead: Intervals) -> Int64s:
    """The first overhead after the last look-up before each loop, or the loop's own start."""
    latest = loop_start.max()
    looked_up = np.append(lookups, latest)[np.searchsorted(lookups, loop_start) - 1]
    compiling = np.append(overhead.start, latest)[np.searchsorted(overhead.start, looked_up)]
    earlier: Int64s = np.minimum(compiling, loop_start)
    return earlier


def _launches_like(linked: LinkedTrace, launches: LaunchTimes, pattern: re.Pattern[str]) -> Int64s:
    """When work whose name matches was launched, sorted; ops of that name where there is no device work."""
    wanted = linked.trace.names_matching(pattern)
    if not len(linked.work.row):
        return np.sort(linked.host.start_ns[wanted[linked.host.name]])
    return np.sort(launches.called_ns[wanted[linked.trace.name[linked.work.row]]])
