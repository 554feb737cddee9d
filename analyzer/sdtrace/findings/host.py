"""Findings about why the GPU waited, and about the profiler's own weight."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import Waiting
from sdtrace.findings.finding import Finding, lower, rows_of, severity_of
from sdtrace.findings.text import listed, percent, time
from sdtrace.model import Severity

_LAUNCH_BOUND_FROM = 0.15
"""Share of steady time spent waiting for launches from which the whole run counts as launch-bound."""
_WORTH_TELLING = 0.02
_GAPS_MATTER = 0.05
_KEEP_STILL = (
    "Stop moving weights or data first: CUDA graphs cannot replay a model that moves. "
    "Then compile what is left."
)
_KERNEL_START_NS = 5_000
"""Between pieces of queued work the hardware itself takes one or two microseconds."""


def find(e: Evidence) -> Iterator[Finding]:
    """What the CPU kept the device waiting for."""
    if _is_much(e.steady_idle.get("launch_bound", 0), e):
        yield from _launch_bound(e)
    else:
        yield from _waiting_component(e)
    yield from _data_wait(e)
    yield from _gaps(e)
    yield from _stall(e)
    yield from _silence(e)
    yield from _profiler(e)


def _is_much(idle: int, e: Evidence) -> bool:
    return idle > 0 and idle >= _LAUNCH_BOUND_FROM * e.steady_span_ns


def _launch_bound(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle["launch_bound"]
    share = min(idle / e.steady_span_ns, e.unprofiled_idle_share)
    most = listed([culprit.name for culprit in e.launch_bound_culprits])
    yield Finding(
        "host.launch_bound",
        "low" if e.moves_much else _severity(share),
        "The GPU waits for the CPU to launch work",
        f"{percent(idle, e.steady_span_ns)} of steady time the GPU waits for the CPU to launch the next "
        f"kernel{f', mostly before {most}' if most else ''}. {_survives(e)}",
        _launch_less(e),
        saving_ns=_saving(e, idle),
        confidence="likely" if e.unprofiled_idle_ns is not None else "guess",
        evidence_rows=rows_of("idle", ["launch_bound"]),
        verify=e.trial("bf16_sdpa_cudagraphs", e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle")),
    )


def _severity(share: float) -> Severity:
    """How much it matters that the GPU waits for launches in this share of an iteration."""
    if share > 1 / 3:
        return "high"
    if share > _LAUNCH_BOUND_FROM:
        return "medium"
    return "low" if share > _WORTH_TELLING else "info"


def _waiting_component(e: Evidence) -> Iterator[Finding]:
    """One part of the pipeline that keeps the GPU waiting where the whole does not."""
    for part in e.launch_bound_components[:1]:
        share = min(part.idle_ns / e.steady_span_ns, e.unprofiled_idle_share)
        if share < _WORTH_TELLING or 2 * part.idle_ns < e.steady_idle["launch_bound"]:
            return
        idle, work = e.per_iteration(part.idle_ns), e.per_iteration(part.work_ns)
        of_steady = percent(part.idle_ns, e.steady_span_ns)
        once = " Embeddings of a prompt can be cached." if part.component == "text_encoder" else ""
        yield Finding(
            "host.component",
            "medium" if share > _GAPS_MATTER else "low",
            f"The GPU waits while the CPU launches {part.component}",
            f"The GPU is idle there for {time(idle)} an {e.noun}, {of_steady} of steady time. The work "
            f"itself takes {time(work)}.",
            _KEEP_STILL if e.moves_much else f"{_compile_it(part)}, which replays it from CUDA graphs.{once}",
            saving_ns=_saving(e, part.idle_ns),
            confidence="likely",
            evidence_rows=rows_of("components", [part.component]),
            verify=e.query("SELECT component, gpu_us, wall_us FROM components WHERE phase = 'steady'"),
        )


def _compile_it(part: Waiting) -> str:
    if part.is_compiled:
        return 'It is compiled: change its mode to `"reduce-overhead"`'
    return 'Compile it with `mode="reduce-overhead"`'


def _launch_less(e: Evidence) -> str:
    """What helps depends on what was done already."""
    if e.moves_much:
        return _KEEP_STILL
    capture = e.phases.get("capture")
    if capture is not None and capture.wall_ns and not e.n_steady:
        return (
            f"CUDA graphs are recorded in this {e.noun}. Profile a later one, which replays them, before you "
            "change anything."
        )
    if e.replays_graphs:
        return (
            "Most work comes from CUDA graphs already. What is left is Python between replays, and work "
            "outside every graph: compile that too, move it out of the loop, or make larger batches."
        )
    hint = e.variant_hint("bf16_sdpa_cudagraphs")
    fixed = f"(CUDA graphs){hint} where shapes are fixed"
    if e.is_compiled:
        return (
            f'Change the mode of `torch.compile` to `"reduce-overhead"` {fixed}; compile what still runs op '
            "by op; larger batches."
        )
    return (
        f'Use `torch.compile`, best with `mode="reduce-overhead"` {fixed}; larger batches. Compiled code '
        "also fuses kernels, which leaves the GPU less to do."
    )


def _survives(e: Evidence) -> str:
    """Whether this is still true without the profiler, which slows the CPU and not the GPU."""
    if e.unprofiled_idle_ns is None or e.unprofiled_wall_ns is None:
        return (
            "The profiler slows the CPU: without it the share is smaller. "
            "This trace does not say by how much."
        )
    whole = f"{'an estimated ' if e.is_estimated else ''}{time(e.unprofiled_wall_ns)}"
    if e.unprofiled_idle_share < _WORTH_TELLING:
        work = time(e.per_iteration(e.steady_work_ns))
        return f"Gone without the profiler: {whole} an {e.noun}, {work} of it GPU work."
    share = percent(e.unprofiled_idle_ns, e.unprofiled_wall_ns)
    return (
        f"Still true without the profiler: the GPU has nothing to do for {share} of an {e.noun} of {whole}."
    )


def _saving(e: Evidence, idle: int) -> int:
    """Idle time of one cause per iteration; of the idle time without the profiler its share, if less."""
    saving = e.per_iteration(idle)
    if e.unprofiled_idle_ns is None:
        return saving
    return min(saving, round(e.unprofiled_idle_ns * idle / sum(e.steady_idle.values())))


def _data_wait(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("data_wait", 0)
    if idle < _WORTH_TELLING * e.steady_span_ns or not idle:
        return
    workers = (
        "Give the loader workers (`num_workers`, 0 now)" if e.loads_alone else "More workers (`num_workers`)"
    )
    yield Finding(
        "host.data",
        "high" if 3 * idle > e.steady_span_ns else "medium",
        "The GPU waits for the next batch of data",
        f"{percent(e.loading_ns, e.phases['steady'].wall_ns)} of steady time the CPU runs the loader; "
        f"the GPU is idle for {percent(idle, e.loading_ns)} of that.",
        f"{workers}, `pin_memory=True` with `non_blocking=True` copies, or less work per sample.",
        saving_ns=_saving(e, idle),
        confidence="likely",
        evidence_rows=rows_of("idle", ["data_wait"]),
        verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
    )


def _gaps(e: Evidence) -> Iterator[Finding]:
    idle = e.steady_idle.get("device_gap", 0)
    if idle < _GAPS_MATTER * e.steady_span_ns or not e.device_gaps:
        return
    share, mean = percent(idle, e.steady_span_ns), idle / e.device_gaps
    evidence = f"{share} of steady time, in {e.device_gaps:,} gaps of {time(mean)} on average."
    if mean < _KERNEL_START_NS:
        yield Finding(
            "device.gaps",
            "low",
            "The gaps between queued kernels add up",
            evidence,
            "Run fewer, larger kernels: fuse more, make larger batches.",
            confidence="likely",
            evidence_rows=rows_of("idle", ["device_gap"]),
            verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
        )
    else:
        yield Finding(
            "device.gaps",
            "high" if idle > e.steady_span_ns / 3 else "medium",
            "The GPU is idle although work is queued on it",
            f"{evidence} The CPU had launched the next work before.",
            "Look at the work that begins after these gaps. It waits for an event of another stream, for "
            "another GPU or rank, or for a copy. `sdtrace open` shows the gaps.",
            confidence="likely",
            evidence_rows=rows_of("idle", ["device_gap"]),
            verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
        )


def _stall(e: Evidence) -> Iterator[Finding]:
    stall = e.phases.get("stall")
    if stall is None or not stall.wall_ns:
        return
    yield Finding(
        "host.stall",
        lower("medium", severity_of(stall.wall_ns / max(1, e.wall_ns))),
        f"No event explains {time(stall.wall_ns)} of wall time",
        "No op, runtime call or GPU work for more than 100 ms at a time.",
        "It may be Python code outside PyTorch, I/O, or a compile that this torch version does not mark. "
        "Record with `with_stack=True` to see it.",
        confidence="guess",
        evidence_rows=rows_of("phases", ["stall"]),
        verify=e.query("SELECT phase, wall_us / 1000 AS ms FROM phases"),
    )


def _silence(e: Evidence) -> Iterator[Finding]:
    causes = [cause for cause in ("host_silence", "host_stall") if e.steady_idle.get(cause)]
    idle = sum(e.steady_idle[cause] for cause in causes)
    if not idle or idle < _WORTH_TELLING * e.steady_span_ns:
        return
    yield Finding(
        "host.silence",
        lower("medium", severity_of(idle / e.steady_span_ns)),
        "The GPU waits for something that the trace does not show",
        f"{percent(idle, e.steady_span_ns)} of steady time the GPU is idle while the CPU runs no op and no "
        "runtime call for more than 5 ms at a time.",
        "Nothing that launches work faster helps against it. It may be Python code outside PyTorch, such as "
        f"{'saving an image, ' if e.makes_images else ''}I/O, or a wait. Record with `with_stack=True` to "
        "see it.",
        confidence="guess",
        evidence_rows=rows_of("idle", causes),
        verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
    )


def _profiler(e: Evidence) -> Iterator[Finding]:
    if e.unprofiled_wall_ns is None or e.steady_wall_ns is None or e.unprofiled_wall_ns <= 0:
        return
    slowdown = e.steady_wall_ns / e.unprofiled_wall_ns
    if slowdown < 1.1:
        return
    yield Finding(
        "host.profiler",
        "info",
        f"Profiling made an {e.noun} {'about ' if e.is_estimated else ''}{slowdown:.2f} times as long",
        f"{'An estimated ' if e.is_estimated else ''}{time(e.unprofiled_wall_ns)} without the profiler, "
        f"{time(e.steady_wall_ns)} with it.",
        "GPU times are not affected. CPU and idle times of this trace are upper bounds."
        if e.work_ns
        else "The times of this trace are upper bounds.",
        evidence_rows=rows_of("iterations", e.steady_iterations),
        verify=e.query("SELECT index, phase, wall_us / 1000 AS ms FROM iterations"),
    )
