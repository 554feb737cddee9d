"""Findings about compiled code in steady state: compiled again, cut by graph breaks, in small graphs."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import Late
from sdtrace.findings.finding import Finding, rows_of, severity_of
from sdtrace.findings.text import time
from sdtrace.phases.timeline import COMPILE
from sdtrace.units import counted

_MANY_REPLAYS = 4
"""CUDA graphs in an iteration; a graph of the denoiser runs once a step, so the kernels in it matter too."""
_SMALL_GRAPH = 50
"""Kernels in a graph. A denoiser has hundreds; launching a graph of a few costs as much as they do."""


def find(e: Evidence) -> Iterator[Finding]:
    """What keeps compiled code from running in one piece."""
    yield from _again(e)
    yield from _breaks(e)
    yield from _small_graphs(e)


def _again(e: Evidence) -> Iterator[Finding]:
    if not e.late_overhead:
        return
    shown = [_told(e, late) for late in e.late_overhead[:5]]
    rest = len(e.late_overhead) - len(shown)
    more = f" So do {rest} more." if rest else ""
    steady = f" A steady {e.noun} takes {time(e.steady_wall_ns)}." if e.steady_wall_ns else ""
    compiles = [late for late in e.late_overhead if late.phase == COMPILE]
    yield Finding(
        "overhead.recompile",
        severity_of(sum(late.ns for late in e.late_overhead) / max(1, e.wall_ns)),
        "Something was compiled or captured again",
        f"These {e.noun}s do so after an earlier one had compiled and run. {' '.join(shown)}{more}{steady}",
        _advice(compiles),
        evidence_rows=rows_of("iterations", [late.iteration for late in e.late_overhead]),
        verify=e.query("SELECT index, phase, wall_us / 1e6 AS seconds, note FROM iterations"),
    )


def _told(e: Evidence, late: Late) -> str:
    wall = f" in {time(late.wall_ns)}" if late.wall_ns else ""
    frames = f", of {counted(len(late.frames), 'function')} ({_numbers(late)})" if late.frames else ""
    change = f" {late.change}." if late.change else ""
    return f"{e.noun.capitalize()} {late.iteration + 1}: {time(late.ns)} {late.phase}{wall}{frames}.{change}"


def _numbers(late: Late) -> str:
    """Frames by the number that torch gives them in `Torch-Compiled Region: 0/1`."""
    return ", ".join(f"`{frame}/…`" for frame in late.frames)


def _advice(compiles: list[Late]) -> str:
    kinds = {late.kind for late in compiles}
    saved = f" It saves {time(sum(late.ns for late in compiles))} in a run like this." if compiles else ""
    if "shape" in kinds:
        return (
            "A shape changed. Compile once for all sizes: `torch.compile(dynamic=True)`, or "
            "`torch._dynamo.mark_dynamic(tensor, dim)` before the first call; or pad to a few fixed sizes "
            f"and run each once before.{saved}"
        )
    if "type" in kinds:
        return f"A type changed. Convert the input to one type before the call.{saved}"
    if kinds == {""}:
        return (
            "Shapes and types are as before: a guard on a Python value or a module changed. "
            f"`TORCH_LOGS=recompiles` names it; keep it fixed, or make it a tensor.{saved}"
        )
    return (
        "The trace has no shapes to tell what changed: `TORCH_LOGS=recompiles` does, or record with "
        "`record_shapes=True`. For a shape use `torch.compile(dynamic=True)` or `mark_dynamic`, or pad to "
        f"a few fixed sizes.{saved}"
    )


def _breaks(e: Evidence) -> Iterator[Finding]:
    if e.breaks is None:
        return
    names, calls, is_named = e.breaks
    pieces = len(names)
    yield Finding(
        "host.graph_breaks",
        "low",
        f"Compiled code runs in {pieces} pieces: graph breaks",
        f"{pieces} compiled pieces run one after the other, {calls:,} times in steady state."
        + (" Functions named `torch_dynamo_resume_in_` say that one resumes the other." if is_named else ""),
        "`TORCH_LOGS=graph_breaks` names the lines. Usual causes are `.item()`, a branch on a tensor, "
        "`print` and calls that dynamo cannot trace. `torch.compile(fullgraph=True)` makes a break an error."
        + ("" if is_named else " They may also be two functions that you compiled separately."),
        confidence="certain" if is_named else "likely",
        evidence_rows=rows_of("ops", names),
        verify=e.query(
            "SELECT name, count(*) AS calls, sum(dur_ns) / 1e6 AS ms FROM events "
            "WHERE name LIKE 'Torch-Compiled Region%' AND phase = 'steady' GROUP BY name ORDER BY name"
        ),
    )


def _small_graphs(e: Evidence) -> Iterator[Finding]:
    replays = e.replays
    if replays is None or replays.kernels >= _SMALL_GRAPH:
        return
    each = replays.launches / max(1, e.n_steady)
    if each < _MANY_REPLAYS:
        return
    yield Finding(
        "host.small_graphs",
        "low",
        "Work is split into many small CUDA graphs",
        f"{each:,.0f} graphs are launched in an {e.noun}, with {replays.kernels} kernels in the middle one. "
        f"Launching them takes {time(e.per_iteration(replays.host_ns))} of CPU time an {e.noun}.",
        "Fewer, larger graphs: remove what splits them (graph breaks, copies to the CPU, ops that capture "
        "does not allow). `TORCH_LOGS=cudagraphs` names what was left out.",
        confidence="likely",
        evidence_rows=rows_of("ops", ["cudaGraphLaunch"]),
        verify=e.query(
            "SELECT launch_start_ns, count(*) AS kernels FROM launches WHERE phase = 'steady' "
            "AND launch LIKE '%GraphLaunch' GROUP BY launch_start_ns ORDER BY launch_start_ns LIMIT 20"
        ),
    )
