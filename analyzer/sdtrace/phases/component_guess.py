"""Components of a diffusion pipeline that nothing names, from the order in which it must run."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.op_table import Attribution
from sdtrace.phases.component_names import GROUP_NORM
from sdtrace.phases.components import Components, no_components
from sdtrace.phases.intervals import Bools, Int64s
from sdtrace.phases.iterations import Iterations
from sdtrace.phases.launches import LaunchTimes
from sdtrace.phases.steps import Steps

_NAMES: Final = ["text_encoder", "unet", "transformer", "vae"]
_TEXT, _UNET, _TRANSFORMER, _VAE = range(4)
_EMBEDDING: Final = re.compile(r"^aten::embedding$")


def guess_components(
    told: Attribution, iterations: Iterations, steps: Steps, launches: LaunchTimes
) -> Components:
    """Text encoder, denoiser, VAE by place: before the first step, the steps, after the last.

    Steps with group normalization are a UNet's, without it a transformer's; what follows is a VAE when
    it has it, what precedes a text encoder when it looks up embeddings.
    """
    normal = _launches_like(told, launches, GROUP_NORM)
    if not len(steps):
        return no_components()
    embedding = np.array([_EMBEDDING.search(name) is not None for name in told.trace.names], np.bool_)
    lookups = np.sort(told.host.start_ns[embedding[told.host.name]])
    place = iterations.at(steps.start_ns)
    inside = place >= 0
    iteration, first = np.unique(place[inside], return_index=True)
    begins = steps.start_ns[inside][first]
    last = np.append(first[1:], int(inside.sum())) - 1
    ends = steps.end_ns[inside][last]
    starts, stops = iterations.start_ns[iteration], iterations.end_ns[iteration]
    text, image = _any_between(lookups, starts, begins), _any_between(normal, ends, stops)
    denoiser = _UNET if _any_between(normal, steps.start_ns, steps.end_ns).mean() > 0.5 else _TRANSFORMER
    code = np.repeat([_TEXT, denoiser, _VAE], [text.sum(), len(steps), image.sum()])
    start = np.concatenate((starts[text], steps.start_ns, ends[image]))
    end = np.concatenate((begins[text], steps.end_ns, stops[image]))
    order = np.argsort(start, kind="stable")
    how = f"No name tells components: they were guessed from their order. {steps.how}"
    thread = np.full(len(code), steps.thread, np.int64)
    return Components(list(_NAMES), code[order], thread, start[order], end[order], how, "guess")


def _launches_like(told: Attribution, launches: LaunchTimes, pattern: re.Pattern[str]) -> Int64s:
    """When work whose kernel name matches was launched, sorted."""
    wanted = np.array([pattern.search(name) is not None for name in told.trace.names], np.bool_)
    return np.sort(launches.called_ns[wanted[told.trace.name[told.work.row]]])


def _any_between(points: Int64s, start: Int64s, end: Int64s) -> Bools:
    """Which spans hold one of the sorted points."""
    found: Bools = np.searchsorted(points, end, "left") > np.searchsorted(points, start, "left")
    return found
