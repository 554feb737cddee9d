"""The verdict: a trace in a few lines that someone in a hurry can act on.

Each line answers one question, and begins with the answer: what ran, how long it takes, what dominates, what
is overhead, what to change first, what that brings. Times are without the profiler where that is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sdtrace import units
from sdtrace.analysis.image_parts import Image, Largest, image_of
from sdtrace.analysis.image_time import ImageTime, gpu_works_us, image_time
from sdtrace.analysis.plain_words import DENOISERS, model_name, type_name
from sdtrace.analysis.priorities import first_to_fix
from sdtrace.analysis.promise import likely_range
from sdtrace.breakdowns.components import ComponentRow
from sdtrace.breakdowns.kernels import CategoryRow
from sdtrace.findings.finding import SEVERITIES
from sdtrace.model import Confidence, Finding, Saving, TraceReport, Verdict, VerdictLine, VerdictWhat
from sdtrace.phases.timeline import STEADY
from sdtrace.waiting.idle import Cause

_END: Final = re.compile(r"[;.](?: |$)")
_SURE: Final = ("certain", "likely", "guess")
_SURELY: Final = {"certain": "", "likely": "likely ", "guess": "a guess: "}
_MUCH: Final = 1 / 3
"""Of an iteration: a kind of work that takes less says little beside the component that leads."""
_VARIES: Final = 0.97
"""Of GPU work: by less it differs between runs of one program; what lies below is due to copies."""
_GAINED: Final = 0.05
"""Of what a change saves: GPU work that it takes away is told from here on."""
_PART: Final = 0.05
"""A smaller part of the one-time cost is left out."""
_IDLE: Final = 0.005
"""Of an iteration: idle time from which it is told as overhead."""
_COPIES: Final = 0.1
"""Of GPU time: copies between CPU and GPU from which they are told as overhead."""
_VARIANT: Final = re.compile(r" \(variant \w+\)")
_DOMINANT: Final = "steady.dominant"
_LOST_WORK: Final = "trace.lost_work"
_LAUNCH_BOUND: Final = "host.launch_bound"
_CACHE: Final = re.compile(
    r"reshape_and_cache|paged_?attention|PagedK[Vv]|store_?kv_?cache|kv_?cache_update|concat_and_cache_mla"
    r"|unified_attention|set_kv_buffer",
    re.IGNORECASE,
)
"""Ops and kernels that write or read the cache of a server such as vLLM or SGLang."""
_RECORDING: Final = "overhead.recording"
_TOLD_ABOVE: Final = frozenset({"trace.cut", "trace.skipped", "trace.impossible", _RECORDING})
"""What every report says above the verdict, or the verdict itself."""
_WAITS: Final = {
    "launch_bound": "until the CPU launches the next kernel",
    "sync": "while the CPU, which waited for it, catches up",
    "copy": "for the CPU to copy",
    "device_gap": "between kernels that are already queued",
    "data_wait": "for data",
    "memory": "for memory to be allocated or freed",
    "python": "for Python",
    "gc": "for Python's garbage collection",
    "cpu_work": "for ops that work on the CPU",
    "lock": "for a thread that waits for another",
    "runtime_call": "for one long runtime call",
    "other_device": "for another GPU",
}
"""What the GPU mostly waits for; other causes are not told here."""


def verdict_of(
    trace: TraceReport,
    steady_categories: Sequence[CategoryRow],
    steady_idle: Sequence[Cause] = (),
    dtype: str = "",
    components: Sequence[ComponentRow] = (),
) -> Verdict:
    """The verdict on a trace whose report is otherwise complete; `dtype` where the run's facts have none.

    Categories, idle time and components are those of steady iterations.
    """
    what = _what(trace, dtype)
    first = first_to_fix(trace.findings)
    image = image_of(trace, steady_categories, components)
    confidence = _confidence(trace, first)
    found = [
        _ran(trace, what),
        _takes(trace),
        _dominates(trace, image, steady_idle),
        _overhead(trace, image),
        *_to_do(trace, first, confidence),
    ]
    lines = [line for line in found if line is not None]
    return Verdict(
        text=" ".join(f"{line.label}: {' '.join(filter(None, (line.lead, line.rest)))}" for line in lines),
        confidence=confidence,
        what=what,
        lines=lines,
        parts=[] if image is None else image.parts,
        first=first.id if first else "",
    )


def _line(label: str, lead: str, rest: str = "") -> VerdictLine:
    return VerdictLine(label=label, lead=lead, rest=rest)


def _what(trace: TraceReport, dtype: str) -> VerdictWhat:
    run = trace.run
    height, width = run.get("height"), run.get("width")
    axes, versions = _mapping(run.get("axes")), _mapping(run.get("versions"))
    steps = run.get("steps")
    return VerdictWhat(
        model=model_name(run),
        size=f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else "",
        steps=steps if isinstance(steps, int) else _steps(trace),
        dtype=type_name(axes) or dtype,
        device=str(run.get("device_name") or trace.device.get("name") or ""),
        torch=str(versions.get("torch") or ""),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _steps(trace: TraceReport) -> int | None:
    """Denoising steps of a steady iteration, where the trace shows them."""
    counts = {row.steps for row in trace.iterations if row.phase == STEADY and row.steps}
    return counts.pop() if len(counts) == 1 else None


def _ran(trace: TraceReport, what: VerdictWhat) -> VerdictLine | None:
    """`Stable Diffusion 1.5, 512x512, 50 steps, bfloat16 on NVIDIA H200, torch 2.11.0.`"""
    parts = [what.model or _pipeline(trace), what.size]
    parts += [units.counted(what.steps, "step") if what.steps else "", what.dtype]
    told = ", ".join(part for part in parts if part)
    on = f" on {what.device}" if what.device else " on the CPU" if trace.on_cpu else ""
    with_torch = f", torch {what.torch}" if what.torch else ""
    return _line("Ran", "", f"{told[:1].upper()}{told[1:]}{on}{with_torch}.") if told else None


def _pipeline(trace: TraceReport) -> str:
    """What kind of program it is, by its parts."""
    parts = {row.component for row in trace.components}
    names = [name for part, name in DENOISERS.items() if part in parts]
    if names:
        return f"A diffusion pipeline with a {names[0]}"
    ran = [row.name for row in trace.kernels] + [row.name for row in trace.ops]
    keeps_cache = any(_CACHE.search(name) for name in ran)
    return "Inference of a language model" if keeps_cache else "A PyTorch program"


def _takes(trace: TraceReport) -> VerdictLine:
    """How long a steady iteration takes, and how sure that is."""
    whole, noun = image_time(trace), trace.noun
    if whole is None:
        why = f"every {noun} includes one-time work" if trace.iterations else f"no {noun}s were found"
        return _line("Takes", "Not known:", f"{why}, so none is steady.")
    if not whole.us:
        return _line("Takes", "Not known:", "nothing was recorded.")
    if whole.how == "as profiled":
        told = "with the profiler, which slows the CPU"
    else:
        told = f"without profiler ({', '.join(filter(None, (whole.how, whole.ends)))})"
    is_guess = trace.structure is not None and trace.structure.confidence == "guess"
    doubt = f" Where {noun}s begin and end is a guess." if is_guess else ""
    rest = f"{told}.{doubt}{_copies_vary(trace, whole)}{_waits_vary(trace)}"
    return _line("Takes", f"{units.duration(whole.us)} per steady {noun}", rest)


def _copies_vary(trace: TraceReport, whole: ImageTime) -> str:
    """Why an estimate may begin below the GPU's work as profiled, and end above the profiled time."""
    works = gpu_works_us(trace)
    if whole.how != "estimate" or whole.low_us is None or works is None:
        return ""
    return " Copies made by the CPU vary that much." if whole.low_us < _VARIES * works else ""


def _waits_vary(trace: TraceReport) -> str:
    """Why an iteration is told by the mean."""
    steady = trace.steady
    if steady is None or steady.mean_us is None:
        return ""
    ends = units.span(steady.min_us, steady.max_us)
    return f" This is the mean: {trace.noun}s wait for data for different times ({ends} with the profiler)."


def _dominates(trace: TraceReport, image: Image | None, idle: Sequence[Cause]) -> VerdictLine | None:
    """The largest part of an iteration, idle time included; shares are of the iteration, as in its bar."""
    if image is None:
        return _on_cpu(trace)
    if any(row.id == _RECORDING for row in trace.findings):
        return _line("Dominates", "Recording CUDA graphs:", "hardly anything runs on the GPU.")
    if _lacks_work(trace):
        return _line("Dominates", "Not known:", "much of the GPU work is missing from the file.")
    leading, whole = image.leading, image.whole_us
    if whole is None:
        return _line("Dominates", f"{leading.capital}: {leading.percent} of GPU time{_besides(trace)}.")
    one = "At least one GPU" if _has_several(trace) else "The GPU"
    works = f"{one} works for {units.duration(image.works_us)} of {units.duration(whole)}."
    if whole - image.works_us > leading.share * image.works_us:
        share = units.percent(whole - image.works_us, whole)
        lead = f"Waiting: {_idle_ones(trace)} {share} of the {trace.noun}{_mostly(idle)}."
        return _line("Dominates", lead, f"{works[:-1]}, {_mainly(leading)} ({_of(image, leading)}).")
    lead = f"{leading.capital}: {_of(image, leading)} of the {trace.noun}."
    return _line("Dominates", lead, f"{_kind(image)}{works}")


def _besides(trace: TraceReport) -> str:
    """That the share leaves out what is launched for one-time work, where that is some."""
    whole = sum(row.gpu_us for row in trace.phases)
    steady = sum(row.gpu_us for row in trace.phases if row.phase == STEADY)
    return " outside one-time work" if steady < (1 - _PART) * whole else ""


def _lacks_work(trace: TraceReport) -> bool:
    """Whether so much GPU work is missing that nothing can be said of waiting.

    GPU events come last in a file: one that ends in the middle lacks some.
    """
    severe = any(row.id == _LOST_WORK and row.severity == "high" for row in trace.findings)
    return trace.events.salvaged or severe


def _has_several(trace: TraceReport) -> bool:
    """Whether several GPUs work in it; then its GPU is idle only while all are."""
    return len(trace.devices) > 1


def _idle_ones(trace: TraceReport) -> str:
    if not _has_several(trace):
        return "the GPU is idle"
    return "both GPUs are idle" if len(trace.devices) == 2 else f"all {len(trace.devices)} GPUs are idle"


def _mainly(part: Largest) -> str:
    return f"{'most' if part.share > 0.5 else 'the largest part'} for {part.name}"


def _of(image: Image, part: Largest) -> str:
    """The share of a part of GPU work in the iteration."""
    return units.percent(part.share * image.works_us, image.whole_us or 1)


def _kind(image: Image) -> str:
    """The largest kind of work where a component leads and the kind takes much of the iteration."""
    part = image.following
    if part is None or part.what != "kind" or part.share * image.works_us < _MUCH * (image.whole_us or 0):
        return ""
    return f"By kind of work, {part.name}: {_of(image, part)}. "


def _mostly(idle: Sequence[Cause]) -> str:
    """What the GPU waits for, where one cause has most of its idle time."""
    most = max(idle, key=lambda row: row.ns, default=None)
    if most is None or most.cause not in _WAITS or 2 * most.ns < sum(row.ns for row in idle):
        return ""
    return f", mostly {_WAITS[most.cause]}"


def _on_cpu(trace: TraceReport) -> VerdictLine | None:
    """The same of a trace without GPU work, as a finding tells it."""
    found = next((row for row in trace.findings if row.id == _DOMINANT), None)
    return None if found is None else _line("Dominates", f"{found.title.replace('`', '')}.")


def _overhead(trace: TraceReport, image: Image | None) -> VerdictLine:
    """The one-time cost, then what the GPU does in every iteration instead of computing."""
    once, each = trace.overhead.paid_us, _each(trace, image)
    if not once:
        none = "No one-time cost in this trace."
        return _line("Overhead", each or none, none if each else "")
    how = ", as profiled" if trace.overhead.total_us else ""
    return _line(
        "Overhead", f"{units.duration(once)} of one-time cost{how}:", f"{_once(trace)}. {each}".strip()
    )


def _each(trace: TraceReport, image: Image | None) -> str:
    """`In every image the GPU is idle for 120 ms and copies to and from the CPU for 900 ms.`"""
    if image is None or image.whole_us is None or _lacks_work(trace):
        return ""
    idle, told = image.whole_us - image.works_us, []
    if idle >= _IDLE * image.whole_us:
        told.append(f"{_idle_ones(trace)} for {units.duration(idle)}")
    if image.copies >= _COPIES:
        subject = "" if told and not _has_several(trace) else "the GPU "
        copied = units.duration(image.copies * image.works_us)
        told.append(f"{subject}copies to and from the CPU for {copied}")
    return f"In every {trace.noun} {' and '.join(told)}." if told else ""


def _once(trace: TraceReport) -> str:
    """The parts of the one-time cost, the largest first, without those too small to matter."""
    paid = trace.overhead
    kinds = {"compile": paid.compile_us, "autotune": paid.autotune_us, "capture": paid.capture_us}
    kinds |= {"warmup": paid.warmup_us, "before the profile": paid.before_profile_us}
    largest = sorted(
        (pair for pair in kinds.items() if pair[1] >= _PART * paid.paid_us), key=lambda pair: -pair[1]
    )
    if len(largest) == 1:
        return largest[0][0]
    return ", ".join(f"{name} {units.duration(us)}" for name, us in largest)


def _to_do(trace: TraceReport, first: Finding | None, confidence: Confidence) -> list[VerdictLine]:
    if first is None or first.saving is None:
        severe = (row for row in trace.findings if row.severity in ("high", "medium"))
        left = [row for row in severe if row.id not in _TOLD_ABOVE]
        left.sort(key=lambda row: (not _is_loss(row), SEVERITIES.index(row.severity)))
        worst = left[0] if left else None
        return [_line("Look at", f"{worst.title.replace('`', '')}.")] if worst else []
    saving = first.saving
    start, end = units.duration(saving.from_us), units.duration(saving.to_us)
    speed = f", {units.factor(saving.from_us / saving.to_us)} as fast" if saving.to_us else ""
    return [
        _line("Fix first", f"{_in_short(first.advice)}.", f"Why: {_why(first, saving)}"),
        _line("Brings", f"{start} → about {end}{speed}", f"({_SURELY[confidence]}{likely_range(saving)})."),
    ]


def _is_loss(finding: Finding) -> bool:
    """Whether it tells of data that all else rests on."""
    return finding.severity == "high" and finding.id.startswith("trace.")


def _why(first: Finding, saving: Saving) -> str:
    """What is wrong, and where the gain comes from if that alone does not explain it."""
    why = f"{first.title.replace('`', '')}."
    if first.id != _LAUNCH_BOUND or saving.work_us < _GAINED * (saving.from_us - saving.to_us):
        return why
    return f"{why} Compiled code also fuses kernels: {units.duration(saving.work_us)} less GPU work."


def _in_short(advice: str) -> str:
    """The first thing that it says to do, without marks of code: a verdict is plain text."""
    short = _END.split(advice, maxsplit=1)[0].removesuffix(":").replace("`", "")
    return _VARIANT.sub("", short)


def _confidence(trace: TraceReport, first: Finding | None) -> Confidence:
    """As sure as the least sure of what it rests on."""
    found: list[Confidence] = ["certain" if trace.is_sound else "likely"]
    if trace.structure is not None:
        found.append(trace.structure.confidence)
    if trace.unprofiled is not None and trace.unprofiled.source == "estimated":
        found.append("likely")
    if first is not None:
        found.append(first.confidence)
    return max(found, key=_SURE.index)
