"""The verdict: a trace in a few sentences that someone in a hurry can act on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from sdtrace import units
from sdtrace.breakdowns.kernels import CategoryRow
from sdtrace.model import Confidence, Finding, TraceReport, Unprofiled, Verdict, VerdictWhat
from sdtrace.phases.timeline import STEADY

_MODELS: Final = {
    "sd15": "Stable Diffusion 1.5",
    "sd21": "Stable Diffusion 2.1",
    "sdxl": "SDXL",
    "sd3": "Stable Diffusion 3",
    "tiny": "the tiny test model",
    "flux": "FLUX.1-dev",
    "flux-tiny": "the tiny FLUX",
    "qwen-image": "Qwen-Image",
    "wan-1.3b": "Wan 2.1 1.3B",
}
_DTYPES: Final = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_DENOISERS: Final = {"unet": "UNet", "transformer": "transformer"}
_NAMES: Final = {
    **_DENOISERS,
    "vae": "VAE",
    "gemm": "matrix multiplication",
    "memcpy_h2d": "copying to the GPU",
    "memcpy_d2h": "copying to the CPU",
    "memcpy_d2d": "copying on the GPU",
    "copies": "copying between CPU and GPU",
    "fused_triton": "fused Triton kernels",
    "collective": "communication",
    "layout": "copies and layout conversions",
    "activation_elementwise": "elementwise work",
}
_END: Final = re.compile(r"[;.](?: |$)")
_SURE: Final = ("certain", "likely", "guess")
_MUCH_ONCE: Final = 1.0
"""The one-time cost is told where it takes as long as so many steady iterations."""
_MOST: Final = 0.5
"""Of an iteration: a GPU that works less mostly waits."""
_PART: Final = 0.05
"""A smaller part of the one-time cost is left out."""
_BOTH_WAYS: Final = ("memcpy_h2d", "memcpy_d2h")


def verdict_of(trace: TraceReport, steady_categories: Sequence[CategoryRow]) -> Verdict:
    """The verdict on a trace whose report is otherwise complete."""
    what = _what(trace)
    first = _first(trace)
    sentences = [
        _ran(trace, what),
        _takes(trace),
        _dominates(trace, steady_categories),
        _paid_once(trace),
        _to_do(trace, first),
    ]
    return Verdict(
        text=" ".join(sentence for sentence in sentences if sentence),
        confidence=_confidence(trace, first),
        what=what,
        first=first.id if first else "",
    )


def _what(trace: TraceReport) -> VerdictWhat:
    run = trace.run
    height, width = run.get("height"), run.get("width")
    axes, versions = _mapping(run.get("axes")), _mapping(run.get("versions"))
    steps = run.get("steps")
    return VerdictWhat(
        model=model_name(run),
        size=f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else "",
        steps=steps if isinstance(steps, int) else _steps(trace),
        dtype=_dtype(axes),
        device=str(run.get("device_name") or trace.device.get("name") or ""),
        torch=str(versions.get("torch") or ""),
    )


def model_name(run: Mapping[str, Any]) -> str:
    """The model by the name that people know it by; '' where the run's facts do not tell."""
    model = str(run.get("model") or "")
    return _MODELS.get(model, model)


def _dtype(axes: Mapping[str, Any]) -> str:
    """Such as `bfloat16 with fp8 matmuls`."""
    dtype = _DTYPES.get(str(axes.get("dtype")), str(axes.get("dtype") or ""))
    return f"{dtype} with fp8 matmuls" if axes.get("quantization") == "fp8" else dtype


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _steps(trace: TraceReport) -> int | None:
    """Denoising steps of a steady iteration, where the trace shows them."""
    counts = {row.steps for row in trace.iterations if row.phase == STEADY and row.steps}
    return counts.pop() if len(counts) == 1 else None


def _ran(trace: TraceReport, what: VerdictWhat) -> str:
    """`Stable Diffusion 1.5, 512x512, 50 steps, bfloat16, on an NVIDIA H200.`"""
    parts = [what.model or _pipeline(trace), what.size]
    parts += [units.counted(what.steps, "step") if what.steps else "", what.dtype]
    told = ", ".join(part for part in parts if part)
    on = f" on {what.device}" if what.device else "" if trace.has_device else " on the CPU"
    with_torch = f", torch {what.torch}" if what.torch else ""
    return f"{told[:1].upper()}{told[1:]}{on}{with_torch}." if told else ""


def _pipeline(trace: TraceReport) -> str:
    """What kind of program it is, by its parts."""
    parts = {row.component for row in trace.components}
    names = [name for part, name in _DENOISERS.items() if part in parts]
    return f"A diffusion pipeline with a {names[0]}" if names else "A PyTorch program"


def _takes(trace: TraceReport) -> str:
    """How long a steady iteration takes, and how sure that is."""
    steady, noun = trace.steady, trace.noun
    if steady is None:
        why = f"every {noun} includes one-time work" if trace.iterations else "no iterations were found"
        return f"How long a steady {noun} takes is not known: {why}."
    profiled = f"{units.duration(steady.median_us)} with the profiler"
    bare = trace.unprofiled
    if bare is not None:
        return f"A steady {noun} takes {_bare(bare)}; {profiled}."
    if trace.unprofiled_wall_us is not None:
        return (
            f"A steady {noun} takes {units.duration(trace.unprofiled_wall_us)} without the profiler; "
            f"{profiled}."
        )
    return f"A steady {noun} takes {profiled}."


def _bare(bare: Unprofiled) -> str:
    low, middle, high = (units.duration(us) for us in (bare.low_us, bare.mid_us, bare.high_us))
    how = "measured" if bare.source == "recorded" else "an estimate"
    return f"{middle} without the profiler ({how}, {low} to {high})"


def _paid_once(trace: TraceReport) -> str:
    """The one-time cost, where it is much."""
    paid, steady = trace.overhead, trace.steady
    if not paid.paid_us or (steady is not None and paid.paid_us < _MUCH_ONCE * steady.median_us):
        return ""
    kinds = {"compile": paid.compile_us, "autotune": paid.autotune_us, "capture": paid.capture_us}
    kinds |= {"warmup": paid.warmup_us, "before the profile": paid.before_profile_us}
    largest = sorted(
        (pair for pair in kinds.items() if pair[1] >= _PART * paid.paid_us), key=lambda pair: -pair[1]
    )
    if len(largest) == 1:
        return f"One-time cost: {units.duration(paid.paid_us)} ({largest[0][0]})."
    told = ", ".join(f"{name} {units.duration(us)}" for name, us in largest)
    return f"One-time cost: {units.duration(paid.paid_us)} ({told})."


def _dominates(trace: TraceReport, categories: Sequence[CategoryRow]) -> str:
    """How much of an iteration the GPU works, and the largest component and category of that."""
    components = [row for row in trace.components if row.phase == STEADY]
    total = sum(row.gpu_us for row in components)
    kinds: Counter[str] = Counter()
    for row in categories:
        kinds["copies" if row.category in _BOTH_WAYS else row.category] += row.gpu_ns
    if not total or not kinds.total():
        return ""
    most = max(components, key=lambda row: row.gpu_us)
    (category, ns), *_ = kinds.most_common(1)
    kind = f"{units.percent(ns, kinds.total())} is {in_words(category)}"
    if most.component != "other":
        share = units.percent(most.gpu_us, total)
        kind = f"{share} is for the {in_words(most.component)}; by kind, {kind}"
    return f"{_works(trace)}Of its work {kind}."


def _works(trace: TraceReport) -> str:
    """How much of a steady iteration the GPU works."""
    busy = [row.gpu_busy_us for row in trace.iterations if row.phase == STEADY and row.is_whole]
    whole = trace.unprofiled.mid_us if trace.unprofiled else trace.unprofiled_wall_us
    whole = whole or (trace.steady.median_us if trace.steady else None)
    if not busy or whole is None:
        return ""
    works = median(busy)
    part = f"for {units.duration(works)} of these {units.duration(whole)}"
    if works < _MOST * whole:
        return f"The GPU mostly waits: it works {part}. "
    return f"The GPU works {part}. "


def article(noun: str) -> str:
    """`a` or `an`."""
    return "an" if noun[0] in "aeiou" else "a"


def in_words(label: str) -> str:
    """A component or category as people call it.

    >>> in_words("unet"), in_words("text_encoder")
    ('UNet', 'text encoder')
    """
    return _NAMES.get(label, label.replace("_", " "))


def _first(trace: TraceReport) -> Finding | None:
    """The finding to act on first: the one that saves most of an iteration."""
    known = [row for row in trace.findings if row.saving is not None and row.severity != "info"]
    return max(known, key=lambda row: row.saving_us or 0, default=None)


def _to_do(trace: TraceReport, first: Finding | None) -> str:
    if first is None or first.saving is None:
        return _nothing_to_do(trace)
    saving = first.saving
    start, end, low, high = (
        units.duration(us) for us in (saving.from_us, saving.to_us, saving.low_us, saving.high_us)
    )
    speed = units.factor(saving.from_us / saving.to_us) if saving.to_us else ""
    return (
        f"Fix first: {first.title}. {_in_short(first.advice)}: {article(trace.noun)} {trace.noun} goes from "
        f"{start} to about {end} ({low} to {high}), {speed} as fast."
    )


def _in_short(advice: str) -> str:
    """The first thing that it says to do, without marks of code: a verdict is plain text."""
    return _END.split(advice, maxsplit=1)[0].removesuffix(":").replace("`", "")


def _nothing_to_do(trace: TraceReport) -> str:
    worst = next((row for row in trace.findings if row.severity in ("high", "medium")), None)
    return f"Look first at: {worst.title}." if worst else ""


def _confidence(trace: TraceReport, first: Finding | None) -> Confidence:
    """As sure as the least sure of what it rests on."""
    found: list[Confidence] = ["certain"]
    if trace.structure is not None:
        found.append(trace.structure.confidence)
    if trace.unprofiled is not None and trace.unprofiled.source == "estimated":
        found.append("likely")
    if first is not None:
        found.append(first.confidence)
    return max(found, key=_SURE.index)
