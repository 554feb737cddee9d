"""Whether two traces did the same work: if not, how fast they were says nothing about one another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from sdtrace import units
from sdtrace.analysis.study import Study
from sdtrace.attribution.captures import is_captured
from sdtrace.attribution.flops import outermost
from sdtrace.attribution.host import sum_by
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.structure.component_names import DENOISERS

_FACTS: Final = ("model", "height", "width", "steps", "batch")
_SAME_FLOPS: Final = 0.01
"""Part of the FLOPs of an iteration in which two runs of one model may differ: padding, a cached prompt."""
_VAE: Final = "vae"
_COUNTED: Final = frozenset({*DENOISERS, _VAE})
_COMPILED: Final = re.compile(r"^(?:Torch-Compiled Region|## Call CompiledFxGraph|triton_)")

_CONVOLUTION: Final = re.compile(r"^aten::(?:\w+_)?convolution")


class WorkFacts(NamedTuple):
    """What a trace tells about the work of one iteration.

    `recorded` is what the collector wrote, `counted` what the events show; `flops` is of the median
    iteration, 0 where compiled code and graphs hide some, or nothing tells them.
    """

    recorded: Mapping[str, object]
    counted: Mapping[str, object]
    flops: int


def work_facts(study: Study) -> WorkFacts:
    """What `study` tells about the work of one iteration."""
    return WorkFacts(_recorded(study), _counts(study), _flops(study))


def differing_work(base: Study, other: Study) -> list[str]:
    """How an iteration of `other` differs in work from `base`'s: `steps 20, not 50`; [] where it does not.

    By what the collector wrote about both runs; without that by the denoising steps, the calls of denoiser
    and VAE, and the FLOPs of a usual iteration, where both traces tell them. What neither tells is taken for
    equal. The number of iterations does not matter, nor does the device.
    """
    return differing(work_facts(base), work_facts(other))


def differing(base: WorkFacts, other: WorkFacts) -> list[str]:
    """The same of facts that were gathered before."""
    ours, theirs = _comparable(base, other)
    both = [name for name in ours if name in theirs]
    found = [f"{name} {theirs[name]}, not {ours[name]}" for name in both if theirs[name] != ours[name]]
    return found or _differing_flops(base.flops, other.flops)


def agreeing(base: WorkFacts, other: WorkFacts) -> list[str]:
    """In what the work of both is the same: `steps 50`, `2.81 TFLOP`; [] where nothing tells."""
    ours, theirs = _comparable(base, other)
    found = [f"{name} {ours[name]}" for name in ours if theirs.get(name) == ours[name]]
    if base.flops and other.flops and not _differing_flops(base.flops, other.flops):
        found.append(f"{units.flops(base.flops)} an iteration")
    return found


def _comparable(base: WorkFacts, other: WorkFacts) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """What the collector wrote where it wrote about both, else what the events of both show."""
    if base.recorded and other.recorded:
        return base.recorded, other.recorded
    return base.counted, other.counted


def _recorded(study: Study) -> Mapping[str, object]:
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


def _differing_flops(ours: int, theirs: int) -> list[str]:
    if not ours or not theirs or abs(theirs - ours) <= _SAME_FLOPS * ours:
        return []
    return [f"{units.flops(theirs)} an iteration, not {units.flops(ours)}"]


def _flops(study: Study) -> int:
    """FLOPs of the median iteration; 0 where compiled code and graphs hide some, or nothing tells them.

    Of convolutions a file without the values of their arguments (before torch 1.13) does not.
    """
    linked, iterations = study.linked, study.structure.iterations
    hidden = study.trace.names_matching(_COMPILED) | study.trace.names_matching(GRAPH_LAUNCH)
    whole = np.flatnonzero(iterations.is_whole)
    if hidden[study.trace.name].any() or not whole.size:
        return 0
    convolves = study.trace.names_matching(_CONVOLUTION)[linked.host.name]
    if convolves.any() and not linked.flops[convolves].any():
        return 0
    ran = linked.flops * ~is_captured(study.trace, linked.host.row)
    own = outermost(ran, linked.host.tree_parent)
    sums = sum_by(iterations.at(linked.host.start_ns), own, len(iterations))
    return int(np.median(sums[whole]))
