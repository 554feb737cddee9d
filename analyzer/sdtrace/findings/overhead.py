"""Findings about what is paid once: compile, autotune, capture, warmup."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence, Finding
from sdtrace.findings.text import listed, percent, seconds

_ONCE = ("compile", "autotune", "capture", "warmup")
_MUCH = 0.05
_SOME_NS = 1_000_000


def find(e: Evidence) -> Iterator[Finding]:
    """What overhead there is, what it was, and how to pay less."""
    yield from _overhead(e)
    yield from _autotune(e)
    yield from _late(e)
    yield from _first_calls(e)


def _overhead(e: Evidence) -> Iterator[Finding]:
    told = {
        name: e.phases[name].wall_ns
        for name in ("compile", "autotune", "capture", "warmup")
        if name in e.phases
    }
    once = sum(told.values())
    if once <= _MUCH * e.wall_ns:
        return
    parts = ", ".join(f"{seconds(ns)} {name}" for name, ns in told.items() if ns > _SOME_NS)
    steady = f" A steady iteration takes {seconds(e.steady_wall_ns)}." if e.steady_wall_ns else ""
    compiled = told.get("compile", 0) > once / 2
    advice = (
        "Leave it out when judging speed. To pay less: keep Inductor's cache between runs "
        "(`TORCHINDUCTOR_CACHE_DIR`), or compile repeated blocks only (`compile_repeated_blocks`, "
        "variant `bf16_sdpa_regional`)."
        if compiled
        else "Leave it out when judging speed: run one iteration before measuring."
    )
    yield Finding(
        "overhead.once",
        "high" if once > e.wall_ns / 2 else "medium",
        f"{percent(once, e.wall_ns)} of this trace is paid once and is not steady state",
        f"{seconds(once)} of {seconds(e.wall_ns)}: {parts}.{steady}",
        advice,
    )


def _autotune(e: Evidence) -> Iterator[Finding]:
    phase = e.phases.get("autotune")
    if phase is None or phase.wall_ns < _SOME_NS:
        return
    flush = sum(row.total_ns for row in e.autotune_categories if row.category == "memset_fill")
    flushes = (
        f", of which {seconds(flush)} ({percent(flush, phase.gpu_ns)}) only flush the L2 cache between tries"
        if flush > phase.gpu_ns / 10
        else ""
    )
    calls = f" in {e.autotune_calls} calls" if e.autotune_calls else ""
    how = (
        " Told from the pattern of its kernels: this trace has no spans of it."
        if e.autotune_by_pattern
        else ""
    )
    yield Finding(
        "overhead.autotune",
        "medium" if phase.wall_ns > _MUCH * e.wall_ns else "low",
        f"Autotuning kernels took {seconds(phase.wall_ns)} on the host",
        f"{seconds(phase.wall_ns)} of wall{calls}; {phase.events:,} kernels ran in it for "
        f"{seconds(phase.gpu_ns)}, {percent(phase.gpu_ns, e.work_ns)} of all device time{flushes}. "
        f"None of them computes a result.{how}",
        "Tables of device time that include them mislead. The choices are cached: the second run on the "
        "same cache skips this.",
        confidence="likely" if e.autotune_by_pattern else "certain",
    )


def _late(e: Evidence) -> Iterator[Finding]:
    if not e.late_overhead:
        return
    which = ", ".join(str(index + 1) for index in e.late_overhead[:5])
    yield Finding(
        "overhead.recompile",
        "high",
        "Something was compiled or captured again after steady state was reached",
        f"Iterations {which} hold compile, autotune or capture, after iterations without.",
        "A shape or a guard changed: run with `TORCH_LOGS=recompiles` to see which; pad or mark the "
        "dimension dynamic.",
    )


def _first_calls(e: Evidence) -> Iterator[Finding]:
    if e.first_calls_ns < max(_SOME_NS, 0.01 * e.wall_ns):
        return
    worst = [f"{culprit.name} ({seconds(culprit.ns)})" for culprit in e.first_calls]
    yield Finding(
        "overhead.first_calls",
        "low",
        f"First calls of ops cost {seconds(e.first_calls_ns)} more than later ones",
        f"Most in {listed(worst)}: module loading, cuDNN and cuBLAS plans, memory pools.",
        "It is paid once per process. `CUDA_MODULE_LOADING=EAGER` moves lazy loading to the start.",
        confidence="likely",
    )
