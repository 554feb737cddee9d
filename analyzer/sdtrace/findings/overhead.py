"""Findings about one-time costs: compile, autotune, capture, warmup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdtrace.breakdowns.kernels import CategoryRow
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, literal, percent, time
from sdtrace.units import counted

_WORTH_A_FINDING = 0.05
_SOME_NS = 1_000_000
_CUDNN = (
    "cuDNN's benchmark mode (`torch.backends.cudnn.benchmark`)",
    (
        "It is a one-time cost for each shape, in every process. If shapes change, or if it gains too "
        "little: `torch.backends.cudnn.benchmark = False`."
    ),
)
_MIOPEN = (
    "MIOpen's search",
    (
        "It is a one-time cost for each shape; MIOpen's user database keeps what was found for the next "
        "process. `MIOPEN_FIND_MODE=FAST` searches less."
    ),
)


def find(e: Evidence) -> Iterator[Finding]:
    """How large one-time costs are, what they are, and how to lower them."""
    yield from _recording(e)
    yield from _overhead(e)
    yield from _autotune(e)
    yield from _searches(e)
    yield from _first_calls(e)


def _recording(e: Evidence) -> Iterator[Finding]:
    if not e.only_records:
        return
    yield Finding(
        "overhead.recording",
        "medium",
        "CUDA graphs are recorded here, and hardly anything runs",
        f"{counted(e.recorded_launches, 'call')} in captures only record work in a graph. The "
        f"GPU runs {counted(e.launched, 'piece')} of work, {time(e.work_ns)}. So the trace does not tell how "
        "fast the program is, and nothing is said about that.",
        "For the speed of what is recorded, profile its replays.",
        evidence_rows=rows_of("phases", ["capture"]),
        verify=e.query("SELECT phase, wall_us / 1000 AS ms, gpu_events FROM phases"),
    )


def _overhead(e: Evidence) -> Iterator[Finding]:
    once = sum(e.paid_once.values())
    if once <= _WORTH_A_FINDING * e.wall_ns:
        return
    names = {"warmup": f"warmup beyond steady {e.noun}s"}
    told = ((names.get(name, name), ns) for name, ns in e.paid_once.items() if ns > _SOME_NS)
    parts = ", ".join(f"{name} {time(ns)}" for name, ns in told)
    steady = (
        f" With the profiler a steady {e.noun} takes {time(e.steady_wall_ns)}." if e.steady_wall_ns else ""
    )
    stages = ", ".join(f"{stage.name} {time(stage.ns)}" for stage in e.compile_stages[:3])
    compiled = e.paid_once.get("compile", 0) > once / 2
    yield Finding(
        "overhead.once",
        "high" if once > e.wall_ns / 2 else "medium",
        f"{percent(once, e.wall_ns)} of the wall time is one-time cost, not steady state",
        f"{time(once)} of {time(e.wall_ns)}: {parts}."
        f"{f' Most of compile is {stages}.' if compiled else ''}{steady}",
        _pay_less(e) if compiled else f"Leave it out when you measure speed: run one {e.noun} before.",
        evidence_rows=rows_of("phases", [name for name, ns in e.paid_once.items() if ns > _SOME_NS]),
        verify=e.query("SELECT phase, wall_us / 1e6 AS seconds FROM phases"),
    )


def _pay_less(e: Evidence) -> str:
    how = " (`compile_repeated_blocks`)" if e.makes_images else ""
    regional = (
        ""
        if e.variant and "regional" in e.variant
        else f", or compile repeated blocks only{how}" + e.variant_hint("bf16_sdpa_regional")
    )
    return (
        "Leave it out when you measure speed (`--phase steady`). To lower it, keep Inductor's cache between "
        f"runs (`TORCHINDUCTOR_CACHE_DIR`){regional}."
    )


def _autotune(e: Evidence) -> Iterator[Finding]:
    phase = e.phases.get("autotune")
    if phase is None or phase.wall_ns - (e.searches.wall_ns if e.searches else 0) < _SOME_NS:
        return
    flush = _fills(e.autotune_categories)
    flushes = (
        f" {time(flush)} of that ({percent(flush, phase.gpu_ns)}) are fills that only flush the L2 cache "
        "between tries."
        if flush > phase.gpu_ns / 10
        else ""
    )
    calls = f" in {e.autotune_calls} calls" if e.autotune_calls else ""
    how = (
        " Found by the pattern of its kernels: this trace has no spans of it."
        if e.autotune_by_pattern
        else ""
    )
    yield Finding(
        "overhead.autotune",
        "medium" if phase.wall_ns > _WORTH_A_FINDING * e.wall_ns else "low",
        f"Autotuning kernels took {time(phase.wall_ns)} on the CPU",
        f"It launched {phase.gpu_events:,} kernels and fills{calls}. They take {time(phase.gpu_ns)}, "
        f"{percent(phase.gpu_ns, e.work_ns)} of all GPU time, and compute no result."
        f"{flushes}{_trials_in_compile(e)}{how}",
        "Tables of GPU time that include it mislead: use `--phase steady`. The choices are cached: the "
        "next run with the same cache skips this.",
        confidence="likely" if e.autotune_by_pattern else "certain",
        evidence_rows=rows_of("phases", ["autotune"]),
        verify=e.query(
            "SELECT category, count(*) AS calls, sum(dur_ns) / 1e6 AS ms FROM launches "
            "WHERE phase = 'autotune' GROUP BY category ORDER BY ms DESC"
        ),
    )


def _searches(e: Evidence) -> Iterator[Finding]:
    if e.searches is None:
        return
    op, calls, wall_ns, launched, gpu_ns = e.searches
    who, advice = _MIOPEN if e.is_amd else _CUDNN
    yield Finding(
        "overhead.convolution_search",
        "medium" if wall_ns > _WORTH_A_FINDING * e.wall_ns else "low",
        f"Convolutions tried algorithms for {time(wall_ns)}",
        f"{calls} calls of `{op}` launched {launched:,} kernels and fills, dozens each: {who}. These take "
        f"{time(gpu_ns)} on the GPU. This time counts as autotune.",
        advice,
        confidence="likely",
        evidence_rows=rows_of("ops", [op]),
        verify=e.query(
            "SELECT iteration, count(*) AS launched FROM launches "
            f"WHERE phase = 'autotune' AND op = {literal(op)} GROUP BY iteration"
        ),
    )


def _trials_in_compile(e: Evidence) -> str:
    """Compilation tries kernels too (padding of matrices), outside the spans of autotune."""
    phase, flush = e.phases.get("compile"), _fills(e.compile_categories)
    if phase is None or 2 * flush < phase.gpu_ns or flush < _SOME_NS:
        return ""
    return (
        f" Compilation tries kernels too: {phase.gpu_events:,} of them take {time(phase.gpu_ns)}, of which "
        f"fills take {time(flush)}. All fills together take "
        f"{time(flush + _fills(e.autotune_categories))}."
    )


def _fills(categories: Sequence[CategoryRow]) -> int:
    return sum(row.gpu_ns for row in categories if row.category == "memset_fill")


def _first_calls(e: Evidence) -> Iterator[Finding]:
    if e.first_calls_ns < max(_SOME_NS, 0.01 * e.wall_ns):
        return
    on_device = e.work_ns > 0
    what = (
        "module loading, cuDNN and cuBLAS plans, memory pools" if on_device else "libraries, memory, threads"
    )
    is_lazy = on_device and e.takes_cuda_settings
    hint = "; `CUDA_MODULE_LOADING=EAGER` moves lazy loading to the start" if is_lazy else ""
    worst = [f"{culprit.name} ({time(culprit.ns)})" for culprit in e.first_calls]
    yield Finding(
        "overhead.first_calls",
        "low",
        f"First calls of ops take {time(e.first_calls_ns)} more than later ones",
        f"Most in {listed(worst)}: {what}.",
        f"This is a one-time cost of every process{hint}.",
        confidence="likely",
        evidence_rows=rows_of("ops", [culprit.name for culprit in e.first_calls]),
        verify=e.query(
            "SELECT name, dur_ns / 1e6 AS ms FROM events "
            "WHERE category = 'cpu_op' AND phase = 'warmup' ORDER BY ms DESC LIMIT 10"
        ),
    )
