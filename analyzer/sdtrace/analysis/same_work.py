"""Whether two traces did the same work: if not, how fast they were says nothing about one another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.captures import is_captured
from sdtrace.attribution.flops import outermost
from sdtrace.attribution.host import sum_by
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.structure.component_names import DENOISERS
from sdtrace.units import flops

_FACTS: Final = ("model", "height", "width", "steps", "batch")
_SAME_FLOPS: Final = 0.01
"""Part of the FLOPs of an iteration in which two runs of one model may differ: padding, a cached prompt."""
_VAE: Final = "vae"
_COUNTED: Final = frozenset({*DENOISERS, _VAE})
_COMPILED: Final = re.compile(r"^(?:Torch-Compiled Region|## Call CompiledFxGraph|triton_)")


def differing_work(base: Study, other: Study) -> list[str]:
    """How an iteration of `other` differs in work from `base`'s: `steps 20, not 50`; [] where it does not.

    By what the collector wrote about both runs; without that by the denoising steps, the calls of denoiser
    and VAE, and the FLOPs of a usual iteration, where both traces tell them. What neither tells is taken for
    equal. The number of iterations does not matter, nor does the device.
    """
    ours, theirs = _facts(base), _facts(other)
    if not (ours and theirs):
        ours, theirs = _counts(base), _counts(other)
    both = [name for name in ours if name in theirs]
    found = [f"{name} {theirs[name]}, not {ours[name]}" for name in both if theirs[name] != ours[name]]
    return found or _differing_flops(base, other)


def work_facts(study: Study) -> Mapping[str, object]:
    """What an iteration of a run does, by name: what the collector wrote, else what can be counted.

    Empty where nothing tells it.
    """
    return _facts(study) or _counts(study)


def _facts(study: Study) -> Mapping[str, object]:
    return {name: study.trace.run[name] for name in _FACTS if study.trace.run.get(name) is not None}


def _counts(study: Study) -> Mapping[str, object]:
    """Steps in the median iteration, which denoiser takes them, and how often it and the VAE are called."""
    iterations, components = study.structure.iterations, study.structure.components
    whole = np.flatnonzero(iterations.is_whole)
    if not whole.size or iterations.confidence == "guess":
        return {}
    counts: dict[str, object] = {}
    if steps := int(np.median(study.structure.steps.counts(iterations)[whole])):
        counts["steps"] = steps
    place = iterations.at(components.start_ns)
    for code, name in enumerate(components.names):
        calls = np.bincount(place[(components.code == code) & (place >= 0)], minlength=len(iterations))
        if name in _COUNTED and (usual := int(np.median(calls[whole]))):
            counts["vae calls" if name == _VAE else "denoiser calls"] = usual
            if name in DENOISERS:
                counts["denoiser"] = name
    return counts


def _differing_flops(base: Study, other: Study) -> list[str]:
    ours, theirs = _flops(base), _flops(other)
    if not ours or not theirs or abs(theirs - ours) <= _SAME_FLOPS * ours:
        return []
    return [f"{flops(theirs)} an iteration, not {flops(ours)}"]


def _flops(study: Study) -> int:
    """FLOPs of the median iteration; 0 where compiled code and graphs hide some, or nothing tells them."""
    linked, iterations = study.linked, study.structure.iterations
    hidden = study.trace.names_matching(_COMPILED) | study.trace.names_matching(GRAPH_LAUNCH)
    whole = np.flatnonzero(iterations.is_whole)
    if hidden[study.trace.name].any() or not whole.size:
        return 0
    ran = linked.flops * ~is_captured(study.trace, linked.host.row)
    own = outermost(ran, linked.host.tree_parent)
    sums = sum_by(iterations.at(linked.host.start_ns), own, len(iterations))
    return int(np.median(sums[whole]))
