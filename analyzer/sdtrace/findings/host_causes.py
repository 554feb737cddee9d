"""Findings about other things the CPU does while the GPU waits: long calls, collections, its own work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, percent

_SOME = 0.02
_MUCH = 0.15


_LAZY: Final = " `CUDA_MODULE_LOADING=EAGER` loads all kernels at the start."


class _Text(NamedTuple):
    """What a cause of idle time is called, and what helps; `{it}` is what takes most of it."""

    title: str
    advice: str


_TEXTS: Final = {
    "runtime_call": _Text(
        "The GPU waits for single runtime calls that take long",
        "Run once before the loop, so that its kernels are loaded; look at what else such a call waits for: "
        "another process on the GPU, a debugger, a profiler.",
    ),
    "gc": _Text(
        "The GPU waits while Python collects garbage",
        "Call `gc.collect()` less often; `gc.freeze()` after setup, or `gc.disable()` in the loop.",
    ),
    "cpu_work": _Text(
        "The GPU waits for ops that work on the CPU",
        'Make these tensors on the GPU (`device="cuda"`), do this work once before the loop, or do it in '
        "another thread or process.",
    ),
    "lock": _Text(
        "The GPU waits while the CPU waits for another thread",
        "Look at what the other thread does meanwhile. Let it work ahead: ask for its result later, or keep "
        "more than one item in its queue.",
    ),
    "python": _Text(
        "The GPU waits for Python code that launches nothing",
        "Move {it} out of the loop, to another thread or process, or to the GPU.",
    ),
}


def find(e: Evidence) -> Iterator[Finding]:
    """One finding per cause that takes 2 % of steady time and more."""
    for cause, text in _TEXTS.items():
        idle = e.steady_idle.get(cause, 0)
        if not idle or idle < _SOME * e.steady_span_ns:
            continue
        names = [culprit.name for culprit in e.culprits.get(cause, ())]
        yield Finding(
            f"host.{cause}",
            "medium" if idle > _MUCH * e.steady_span_ns else "low",
            text.title,
            f"{percent(idle, e.steady_span_ns)} of steady time the GPU is idle while the CPU is in "
            f"{listed(names)}.",
            f"{text.advice.replace('{it}', listed(names, 1) or 'it')}"
            f"{_LAZY if cause == 'runtime_call' and e.takes_cuda_settings else ''}",
            saving_ns=e.saving_of(idle),
            confidence="likely",
            evidence_rows=rows_of("idle", [cause]),
            verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
        )
