"""Findings about what autotune chose: slower kernels than it tried, and kernels tuned at another size."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.facts import Tuned
from sdtrace.findings.finding import Finding, rows_of, severity_of
from sdtrace.findings.text import literal, percent, time
from sdtrace.units import counted

_LOST = 1.0
_ELSEWHERE = 2.0
"""Percent of steady GPU time."""


def find(e: Evidence) -> Iterator[Finding]:
    """Choices of autotune that cost time."""
    if e.tuned is None:
        return
    yield from _slower(e, e.tuned)
    yield from _elsewhere(e, e.tuned)


def _slower(e: Evidence, tuned: Tuned) -> Iterator[Finding]:
    if e.steady_share(tuned.lost_ns) < _LOST:
        return
    lost = e.per_iteration(tuned.lost_ns)
    waited = (
        f" Before each of them the GPU waited {time(tuned.waited_ns)} for the launch, and they took "
        f"{time(tuned.timed_ns)} (medians): the time between two events is then that of the launch."
        if tuned.waited_ns > tuned.timed_ns
        else ""
    )
    yield Finding(
        "device.autotune_choice",
        severity_of(lost / max(1, e.steady_wall_ns or 0)),
        "Autotune chose slower kernels than it tried",
        f"Of {counted(tuned.kernels, 'tuned kernel')} it tried a faster variant and took another; that costs "
        f"{percent(tuned.lost_ns, e.steady_work_ns)} of steady GPU time. `{tuned.names[0]}` takes "
        f"{time(tuned.chosen_ns)}, the fastest of {tuned.tried} variants took {time(tuned.best_ns)}."
        f"{waited}",
        "Tune again without the profiler, which makes launches slower, on an idle CPU, and with an empty "
        "cache (`TORCHINDUCTOR_CACHE_DIR` set to a new folder): what was chosen stays in the cache. "
        "The best case: each kernel as fast as its fastest variant was.",
        saving_ns=lost,
        confidence="likely",
        evidence_rows=rows_of("kernels", tuned.names),
        verify=e.query(
            "SELECT phase, count(*) AS runs, min(dur_ns) AS least, median(dur_ns) AS median FROM launches "
            f"WHERE name = {literal(tuned.names[0])} GROUP BY phase ORDER BY phase"
        ),
    )


def _elsewhere(e: Evidence, tuned: Tuned) -> Iterator[Finding]:
    if e.steady_share(tuned.elsewhere_ns) < _ELSEWHERE:
        return
    yield Finding(
        "device.autotune_size",
        "low",
        "Kernels run at another size than they were tuned at",
        f"{percent(tuned.elsewhere_ns, e.steady_work_ns)} of steady GPU time is in kernels that autotune "
        f"timed at other sizes only, {percent(tuned.elsewhere_ns, tuned.ns)} of the time of all tuned "
        f"kernels. Most is in `{tuned.elsewhere_names[0]}`. What is fastest at one size need not be at "
        "another.",
        "With dynamic shapes a kernel is tuned once, at the size of its first call: let that be the size "
        "you need most, or compile for each size (`torch.compile(dynamic=False)`) where there are few.",
        confidence="likely",
        evidence_rows=rows_of("kernels", tuned.elsewhere_names),
        verify=e.steady_work(f"name = {literal(tuned.elsewhere_names[0])}"),
    )
