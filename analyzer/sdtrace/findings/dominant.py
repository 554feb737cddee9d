"""The finding that every trace has: what takes most of a steady iteration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import Dominant, Part
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, literal, percent, time

_MOSTLY_KNOWN = 0.5
"""A distance from the roofline is told where the least time of half of the work and more is known."""


def find(e: Evidence) -> Iterator[Finding]:
    """The largest component, category and op."""
    most = e.dominant
    if most is None:
        return
    parts = {"components": most.component, "categories": most.category, "ops": most.op}
    told = [f"{_WORDS[table]} {_part(e, most, part)}" for table, part in parts.items() if part is not None]
    called = (
        f" It is called in {' in '.join(listed([name]) for name in most.callers)}." if most.callers else ""
    )
    is_told = most.op is not None and most.op.name not in _SAYS_LITTLE
    largest = most.op if is_told else most.category or most.op or most.component
    if largest is None:
        return
    rows = [row for table, part in parts.items() if part for row in rows_of(table, [part.name])]
    quiet = _quiet_share(e, most)
    yield Finding(
        "steady.dominant",
        "info",
        f"No op runs for {percent(quiet, 1)} of the time"
        if quiet > _MOSTLY_QUIET
        else f"The largest share of {'GPU' if most.on_device else 'CPU'} time, "
        f"{percent(largest.ns, most.whole_ns)}, is {_called(e, largest)}",
        f"{_whole(e, most)} {' '.join(told)}{called}{_silence(e, most) if quiet > _MOSTLY_QUIET else ''}",
        _advice(e, most),
        confidence="likely" if most.component else "certain",
        evidence_rows=rows,
        verify=e.steady_work(f"{'op' if largest is most.op else 'category'} = {literal(largest.name)}")
        if most.on_device
        else e.query("SELECT name, calls, self_cpu_us / 1000 AS ms FROM ops ORDER BY ms DESC LIMIT 10"),
    )


def _called(e: Evidence, part: Part) -> str:
    """The part's name; of work of no known kind that of its kernel."""
    others = [row for row in e.steady_kernels if row.category == part.name == _OTHER]
    most = max(others, key=lambda row: row.total_ns, default=None)
    if most is None:
        return listed([part.name])
    if 2 * most.total_ns < part.ns:
        return "of no known kind"
    return f"the kernel {listed([most.short_name])}"


_OTHER = "other"
_MOSTLY_QUIET = 0.5
_SOME = 0.1
_COLLECTIVE = re.compile(r"^(?:nccl|gloo|mpi|ucc|xccl|hccl):\w")
_SAYS_LITTLE = frozenset({"record_param_comms"})
"""An op that stands for every kind of communication."""
_WORDS = {
    "components": "The largest component is",
    "categories": "The largest category of work is",
    "ops": "The largest op is",
}


def _whole(e: Evidence, most: Dominant) -> str:
    took = time(e.per_iteration(most.whole_ns))
    if e.steady_wall_ns is None:
        return f"Steady work takes {took}."
    if most.on_device and e.per_iteration(most.whole_ns) > e.steady_wall_ns:
        return (
            f"A steady {e.noun} takes {time(e.steady_wall_ns)}. Its GPU work adds up to {took} on average: "
            "some of it runs at the same time."
        )
    where = "the GPU works" if most.on_device else "ops take"
    at_once = ", several streams at once" if e.per_iteration(most.whole_ns) > e.steady_wall_ns else ""
    return f"A steady {e.noun} takes {time(e.steady_wall_ns)}, in which {where} {took} on average{at_once}."


def _part(e: Evidence, most: Dominant, part: Part) -> str:
    """`aten::mm`: 60.0 % (12.0 ms), at 40.0 % of the card's limit."""
    share = (
        f"{listed([part.name])}: {percent(part.ns, most.whole_ns)} of that ({time(e.per_iteration(part.ns))})"
    )
    if part.known_ns < _MOSTLY_KNOWN * part.ns:
        return f"{share}."
    return f"{share}, at {percent(part.roof_ns, part.known_ns)} of what the card can do."


def _quiet_share(e: Evidence, most: Dominant) -> float:
    """The share of steady iterations in which no op runs, 0 to 1; 0 of a trace with GPU work."""
    return most.quiet_ns / (e.n_steady * e.steady_wall_ns) if e.n_steady and e.steady_wall_ns else 0.0


def _silence(e: Evidence, most: Dominant) -> str:
    """What is known of the time in which no op runs."""
    part = most.quiet_in
    if part is None or _SOME * most.quiet_ns > part.ns:
        return " Nothing in the file tells what the CPU does meanwhile."
    return f" Meanwhile the CPU is in {listed([part.name])} for {time(part.ns / e.n_steady)}."


def _advice(e: Evidence, most: Dominant) -> str:
    if _quiet_share(e, most) > _MOSTLY_QUIET:
        if most.quiet_in is not None and _COLLECTIVE.search(most.quiet_in.name):
            return (
                "Ops are not what takes the time. The ranks wait for each other, or for the network: "
                "analyze the traces of all ranks together."
            )
        return "Ops are not what takes the time. Record with `with_stack=True` to see what does."
    if not most.on_device:
        return (
            "Look at this op first: a smaller or faster type, larger batches, or as many threads as the "
            "machine has cores (`torch.set_num_threads`)."
        )
    if e.is_host_bound:
        return "The GPU mostly waits: fix that first. Then look here."
    return "Look here first. Other findings say what helps, where the trace shows it."
