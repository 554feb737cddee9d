"""Findings about what is paid once: compile, autotune, capture, warmup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdtrace.breakdowns.kernels import CategoryRow
from sdtrace.findings.evidence import Evidence, Finding
from sdtrace.findings.text import listed, percent, seconds

_MUCH = 0.05
_SOME_NS = 1_000_000
_CUDNN = (
    "cuDNN's benchmark mode (`torch.backends.cudnn.benchmark`)",
    (
        "It is paid once for each shape, in every process. Where shapes change, or where it gains too "
        "little: `torch.backends.cudnn.benchmark = False`."
    ),
)
_MIOPEN = (
    "MIOpen's search",
    (
        "It is paid once for each shape; MIOpen's user database keeps what was found for the next process. "
        "`MIOPEN_FIND_MODE=FAST` searches less."
    ),
)


def find(e: Evidence) -> Iterator[Finding]:
    """What overhead there is, what it was, and how to pay less."""
    yield from _overhead(e)
    yield from _autotune(e)
    yield from _searches(e)
    yield from _late(e)
    yield from _first_calls(e)


def _overhead(e: Evidence) -> Iterator[Finding]:
    once = sum(e.paid_once.values())
    if once <= _MUCH * e.wall_ns:
        return
    named = {"extra warmup" if name == "warmup" else name: ns for name, ns in e.paid_once.items()}
    parts = ", ".join(f"{seconds(ns)} {name}" for name, ns in named.items() if ns > _SOME_NS)
    steady = f" A steady iteration takes {seconds(e.steady_wall_ns)}." if e.steady_wall_ns else ""
    stages = ", ".join(f"{stage.name} {seconds(stage.ns)}" for stage in e.compile_stages[:3])
    compiled = e.paid_once.get("compile", 0) > once / 2
    yield Finding(
        "overhead.once",
        "high" if once > e.wall_ns / 2 else "medium",
        f"{percent(once, e.wall_ns)} of this trace is paid once and is not steady state",
        f"{seconds(once)} of {seconds(e.wall_ns)}: {parts}."
        f"{f' Most of compile is {stages}.' if compiled else ''}{steady}",
        _pay_less(e) if compiled else "Leave it out when judging speed: run one iteration before measuring.",
    )


def _pay_less(e: Evidence) -> str:
    regional = (
        ""
        if e.variant and "regional" in e.variant
        else ", or compile repeated blocks only (`compile_repeated_blocks`)"
        + e.variant_hint("bf16_sdpa_regional")
    )
    return (
        "Leave it out when judging speed (`--phase steady`). To pay less: keep Inductor's cache between runs "
        f"(`TORCHINDUCTOR_CACHE_DIR`){regional}."
    )


def _autotune(e: Evidence) -> Iterator[Finding]:
    phase = e.phases.get("autotune")
    if phase is None or phase.wall_ns - (e.searches.wall_ns if e.searches else 0) < _SOME_NS:
        return
    flush = _fills(e.autotune_categories)
    flushes = (
        f"; {seconds(flush)} of that ({percent(flush, phase.gpu_ns)}) are fills that only flush the L2 cache "
        "between tries"
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
        f"{seconds(phase.wall_ns)} of wall{calls}. It launched {phase.gpu_events:,} kernels and fills of "
        f"{seconds(phase.gpu_ns)} in all, {percent(phase.gpu_ns, e.work_ns)} of all device time{flushes}. "
        f"None of it computes a result.{_trials_in_compile(e)}{how}",
        "Tables of device time that include it mislead: use `--phase steady`. The choices are cached: the "
        "next run on the same cache skips this.",
        confidence="likely" if e.autotune_by_pattern else "certain",
    )


def _searches(e: Evidence) -> Iterator[Finding]:
    if e.searches is None:
        return
    op, calls, wall_ns, launched, gpu_ns = e.searches
    who, advice = _MIOPEN if e.is_amd else _CUDNN
    yield Finding(
        "overhead.convolution_search",
        "medium" if wall_ns > _MUCH * e.wall_ns else "low",
        f"Convolutions tried their algorithms for {seconds(wall_ns)}",
        f"{calls} calls of `{op}` launched {launched:,} kernels and fills of {seconds(gpu_ns)} between them, "
        f"dozens each: {who}. This time counts as autotune.",
        advice,
        confidence="likely",
    )


def _trials_in_compile(e: Evidence) -> str:
    """Compilation tries kernels too (padding of matrices), outside the spans of autotune."""
    phase, flush = e.phases.get("compile"), _fills(e.compile_categories)
    if phase is None or 2 * flush < phase.gpu_ns or flush < _SOME_NS:
        return ""
    return (
        f" Compilation tried kernels as well: {phase.gpu_events:,} of {seconds(phase.gpu_ns)}, "
        f"{seconds(flush)} of them fills; "
        f"that makes {seconds(flush + _fills(e.autotune_categories))} of fills in all."
    )


def _fills(categories: Sequence[CategoryRow]) -> int:
    return sum(row.gpu_ns for row in categories if row.category == "memset_fill")


def _late(e: Evidence) -> Iterator[Finding]:
    if not e.late_overhead:
        return
    shown = [f"iteration {it + 1} ({seconds(ns)} {phase})" for it, phase, ns in e.late_overhead[:5]]
    rest = len(e.late_overhead) - len(shown)
    which = ", ".join(shown) + (f" and {rest} more" if rest else "")
    yield Finding(
        "overhead.recompile",
        "high",
        "Something was compiled or captured again",
        f"An earlier iteration had compiled and run already; there is overhead again in {which}.",
        "A shape or a guard changed: run with `TORCH_LOGS=recompiles` to see which; pad or mark the "
        "dimension dynamic.",
    )


def _first_calls(e: Evidence) -> Iterator[Finding]:
    if e.first_calls_ns < max(_SOME_NS, 0.01 * e.wall_ns):
        return
    on_device = e.work_ns > 0
    what = (
        "module loading, cuDNN and cuBLAS plans, memory pools" if on_device else "libraries, memory, threads"
    )
    hint = "; `CUDA_MODULE_LOADING=EAGER` moves lazy loading to the start" if on_device else ""
    worst = [f"{culprit.name} ({seconds(culprit.ns)})" for culprit in e.first_calls]
    yield Finding(
        "overhead.first_calls",
        "low",
        f"First calls of ops cost {seconds(e.first_calls_ns)} more than later ones",
        f"Most in {listed(worst)}: {what}.",
        f"It is paid once per process{hint}.",
        confidence="likely",
    )
