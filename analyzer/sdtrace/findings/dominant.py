"""The finding that every trace has: what takes most of a steady iteration."""

from __future__ import annotations

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
    largest = most.op or most.category or most.component
    if largest is None:
        return
    rows = [row for table, part in parts.items() if part for row in rows_of(table, [part.name])]
    yield Finding(
        "steady.dominant",
        "info",
        f"The largest share of {'GPU' if most.on_device else 'CPU'} time, "
        f"{percent(largest.ns, most.whole_ns)}, is {listed([largest.name])}",
        f"{_whole(e, most)} {' '.join(told)}{called}",
        _advice(e, most),
        confidence="likely" if most.component else "certain",
        evidence_rows=rows,
        verify=e.steady_work(
            f"op = {literal(most.op.name)}" if most.op else f"category = {literal(largest.name)}"
        )
        if most.on_device
        else e.query("SELECT name, calls, self_cpu_us / 1000 AS ms FROM ops ORDER BY ms DESC LIMIT 10"),
    )


_WORDS = {
    "components": "The largest component is",
    "categories": "The largest category of work is",
    "ops": "The largest op is",
}


def _whole(e: Evidence, most: Dominant) -> str:
    took = time(e.per_iteration(most.whole_ns))
    if e.steady_wall_ns is None:
        return f"Steady work takes {took}."
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


def _advice(e: Evidence, most: Dominant) -> str:
    if not most.on_device:
        return (
            "Look at this op first: a smaller or faster type, larger batches, or as many threads as the "
            "machine has cores (`torch.set_num_threads`)."
        )
    if e.is_host_bound:
        return "The GPU mostly waits: fix that first. Then look here."
    return "Look here first. Other findings say what helps, where the trace shows it."
