"""The finding about calls that return only when the GPU is through: which, how often, from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import Wait
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, percent, time

_WORTH_TELLING = 0.02


def find(e: Evidence) -> Iterator[Finding]:
    """What keeps the CPU waiting, so that it launches too late."""
    idle = e.steady_idle.get("sync", 0)
    if idle < _WORTH_TELLING * e.steady_span_ns or not idle:
        return
    yield Finding(
        "host.sync",
        "medium",
        "The CPU waits for the GPU, so the GPU runs out of work",
        f"{percent(idle, e.steady_span_ns)} of steady time the GPU is idle around blocking calls"
        f"{', most from ' if e.waits else ''}{', '.join(_wait(e, wait) for wait in e.waits)}.",
        _wait_less(e),
        saving_ns=e.saving_of(idle),
        confidence="likely",
        evidence_rows=rows_of("idle", ["sync"]),
        verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
    )


def _wait(e: Evidence, wait: Wait) -> str:
    """`aten::item`: 20 calls an image in `scheduler`, called by `pndm.py(409): step`."""
    each = wait.calls / max(1, e.n_steady)
    where = f" in {listed([wait.component])}" if wait.component else ""
    by = f", called by {listed([wait.frame])}" if wait.frame else ""
    return f"{listed([wait.op])} ({each:.3g} an {e.noun}{where}, {time(e.per_iteration(wait.ns))}{by})"


def _wait_less(e: Evidence) -> str:
    """First the calls to remove, by what people write; then how."""
    if not e.waits:
        return (
            "Remove calls that wait for the GPU from the loop: `torch.cuda.synchronize()`, copies to the "
            "CPU, numbers read from tensors."
        )
    written = [(wait, _WRITTEN.get(wait.op, _Written(listed([wait.op]), ""))) for wait in e.waits]
    by_place: dict[str, list[str]] = {}
    for wait, call in written:
        each = f"{call.code} ({wait.calls / max(1, e.n_steady):.3g} an {e.noun})"
        by_place.setdefault(_place(e, wait), []).append(each)
    told = ", and ".join(f"{' and '.join(calls)}{place}" for place, calls in by_place.items())
    hows = dict.fromkeys(how for _, call in written if (how := _how(e, call)))
    return f"Remove {told}. {' '.join(hows)}".rstrip()


def _place(e: Evidence, wait: Wait) -> str:
    """Where most of the calls are made, as a part of a sentence."""
    if wait.frame:
        return f" from {listed([wait.frame])}"
    if wait.component:
        return f" from {listed([wait.component])}"
    return " in code outside the models (scheduler or pipeline)" if e.has_components else " from the loop"


class _Written(NamedTuple):
    """What a blocking op is in a program, and what to write in its place."""

    code: str
    how: str


def _how(e: Evidence, call: _Written) -> str:
    return _READ_LESS if call.how == _KEEP and not e.makes_images else call.how


_KEEP: Final = "Keep a scheduler's timesteps on the CPU and its other tensors on the GPU."
_READ_LESS: Final = "Leave the number on the GPU, or read it less often (a loss every 100 iterations)."
_WRITTEN: Final = {
    "aten::item": _Written("`.item()`", _KEEP),
    "aten::_local_scalar_dense": _Written("`.item()`", _KEEP),
    "aten::is_nonzero": _Written("`if tensor`", "Branch on a Python number that the CPU already has."),
    "aten::to": _Written("`.to()`", "Make the tensor where it is used, or copy it with `non_blocking=True`."),
    "aten::copy_": _Written("`.copy_()`", "Copy from pinned memory with `non_blocking=True`."),
    "aten::nonzero": _Written("`nonzero()`", "Use a mask: the GPU alone knows the size of its result."),
    "cudaDeviceSynchronize": _Written("`torch.cuda.synchronize()`", "Synchronize once, at the end."),
    "cudaStreamSynchronize": _Written("`stream.synchronize()`", "Synchronize once, at the end."),
}
