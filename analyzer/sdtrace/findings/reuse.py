"""Findings about work that need not be done again: prompts that are encoded in every iteration."""

from __future__ import annotations

from collections.abc import Iterator

from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import time

_SHARE = 0.02
"""Of a steady iteration."""


def find(e: Evidence) -> Iterator[Finding]:
    """Text encoders."""
    encoded = e.encoded
    if encoded is None or e.moves_much:
        return
    taken = max(encoded.wall_ns, encoded.work_ns)
    if taken < _SHARE * max(1, e.steady_span_ns):
        return
    several = e.n_iterations > 1  # One image does not show that prompts come again.
    calls = round(encoded.calls / max(1, e.n_steady), 1)
    yield Finding(
        "host.text_encoder",
        "low",
        f"Prompts are encoded in {'every' if several else 'the'} {e.noun}",
        f"The text encoder runs {'once' if calls == 1 else f'{calls:g} times'} an {e.noun}: "
        f"{time(e.per_iteration(encoded.wall_ns))} on the CPU, {time(e.per_iteration(encoded.work_ns))} of "
        "GPU work.",
        "Where a prompt comes again (the empty one of guidance always does), encode it once, keep the result "
        "and pass `prompt_embeds=` and `negative_prompt_embeds=`. With another prompt each time there is "
        "nothing to save.",
        confidence="likely" if several else "guess",
        evidence_rows=rows_of("components", [encoded.component]),
        verify=e.query("SELECT component, gpu_us, wall_us, calls FROM components WHERE phase = 'steady'"),
    )
