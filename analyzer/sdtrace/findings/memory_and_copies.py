"""Findings about memory calls that hold the GPU up, and about copies between CPU and GPU."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import CopyTraffic, Offload
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, percent, time

_SOME = 0.02
_MUCH = 0.15
_MANY_COPIES = 8
"""So many copies of one direction in an iteration are weights; inputs and results are a few tensors."""


def find(e: Evidence) -> Iterator[Finding]:
    """Memory at its limit, weights that move."""
    yield from _memory(e)
    yield from _copies(e)


def _memory(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("memory", 0)
    if not idle or idle < _SOME * e.steady_span_ns or e.memory_calls is None:
        return
    calls, by_hand = e.memory_calls, e.memory_calls.are_asked_for
    each = calls.calls / max(1, e.n_steady)
    yield Finding(
        "host.memory",
        "low" if by_hand else "high" if idle > _MUCH * e.steady_span_ns else "medium",
        "The GPU waits while memory is allocated and freed",
        f"{percent(idle, e.steady_span_ns)} of steady time the GPU is idle while the CPU is in "
        f"{listed([culprit.name for culprit in e.culprits.get('memory', ())])}: {each:.3g} such calls in an "
        f"{e.noun}, {time(e.per_iteration(calls.host_ns))}.",
        _LESS_EMPTYING if by_hand else _less_memory(calls.frees > 0),
        saving_ns=e.saving_of(idle),
        confidence="likely",
        evidence_rows=rows_of("idle", ["memory"]),
        verify=e.query(
            "SELECT name, count(*) AS calls, sum(dur_ns) / 1e6 AS ms FROM events WHERE phase = 'steady' "
            "AND name ~ '^(cuda|hip|cuMem)\\w*(Malloc|Free|Alloc)' GROUP BY name ORDER BY ms DESC"
        ),
    )


_LESS_EMPTYING = (
    "No op asked for most of these frees: `torch.cuda.empty_cache()` runs every time, or a library "
    "calls it. Remove it from the loop. It looks slower with the profiler than it is: without the profiler "
    "one pipeline took as long with it as without, a small network was 8 % faster without."
)


def _less_memory(frees: bool) -> str:
    if frees:
        return (
            "GPU memory is at its limit: cached blocks go back to the driver and are asked for again. Set "
            "`PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True` against fragmentation; use smaller batches "
            "and keep fewer tensors alive. Larger batches and CUDA graphs need more memory still."
        )
    return (
        "The allocator asks the driver for new memory in steady state: shapes change, or the profile began "
        "before the cache had grown. Set `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True`, keep shapes "
        "fixed, and reuse pinned buffers."
    )


def _copies(e: Evidence) -> Iterator[Finding]:
    moved = sum(part.ns for part in e.copies)
    idle = e.steady_idle.get("copy", 0)
    if not e.moves_much:
        return
    each = max((part.calls for part in e.copies), default=0) / max(1, e.n_steady)
    weights = each >= _MANY_COPIES
    yield Finding(
        "host.copies",
        "high",
        _moving(e) if weights else "Copies between CPU and GPU take much of the time",
        f"{percent(moved, e.steady_work_ns)} of steady GPU time: "
        f"{'; '.join(_traffic(e, part) for part in e.copies)}."
        f"{_blocked(e)}",
        _keep(e) if weights else _copy_less(any(part.pageable for part in e.copies)),
        saving_ns=e.per_iteration(moved) + e.saving_of(idle),
        confidence="likely",
        evidence_rows=rows_of(
            "categories", ["memcpy_h2d" if part.to_device else "memcpy_d2h" for part in e.copies]
        ),
        verify=e.steady_work("kind = 'gpu_memcpy'"),
    )


def _blocked(e: Evidence) -> str:
    blocked = e.per_iteration(sum(part.blocked_ns for part in e.copies))
    return f" The CPU is blocked by them for {time(blocked)} an {e.noun}." if blocked else ""


def _traffic(e: Evidence, part: CopyTraffic) -> str:
    """`3.4 GB to the GPU in 1,134 copies an image, 18.3 ms, 9.0 GB/s`."""
    direction = "to the GPU" if part.to_device else "back to the CPU"
    calls = f"{part.calls / max(1, e.n_steady):,.0f} copies an {e.noun}"
    took = time(e.per_iteration(part.ns))
    if part.nbytes is None or not part.ns:
        return f"{calls} {direction}, {took}"
    size = part.nbytes / max(1, e.n_steady) / 1e9
    return f"{size:.3g} GB {direction} in {calls}, {took}, {part.nbytes / part.ns:.3g} GB/s"


def _moving(e: Evidence) -> str:
    """What moves, as far as the copies tell."""
    what = e.offload.what if e.offload else ""
    if what == "models":
        return f"Whole models move between CPU and GPU in every {e.noun}"
    if what == "layers":
        return "Weights move to the GPU layer by layer, again and again"
    return f"Weights move between CPU and GPU in every {e.noun}"


def _keep(e: Evidence) -> str:
    """One thing to do, and what else where that is not possible."""
    offload = e.offload
    what = offload.what if offload else ""
    remove = {
        "models": ": remove `enable_model_cpu_offload()`, or what else moves them",
        "layers": ": remove `enable_sequential_cpu_offload()`, or what else moves them",
    }.get(what, "")
    keep = f"Keep the weights on the GPU{remove}."
    less = {
        "models": "a smaller type, or offload only the largest model",
        "layers": "whole models with `enable_model_cpu_offload()`, or a smaller type",
    }.get(what, "a smaller type")
    ahead = (
        "`enable_group_offload(..., use_stream=True)` copies the next block while this one runs."
        if e.makes_images
        else "or copy the next layer on a stream of its own while this one runs."
    )
    return f"{keep}{_fits(offload)} If they do not fit: {less}; {ahead}"


def _fits(offload: Offload | None) -> str:
    """Whether the GPU has room for all models, where the trace tells."""
    if offload is None or offload.what != "models" or not offload.total_bytes:
        return ""
    return f" They are {offload.nbytes / 1e9:.3g} GB, and the GPU has {offload.total_bytes / 1e9:.3g} GB."


def _copy_less(pageable: bool) -> str:
    pinned = "Pin the memory (`pin_memory=True`) and copy with `non_blocking=True`. " if pageable else ""
    return f"{pinned}Keep on the GPU what is used again, and copy the next input while this one is computed."
