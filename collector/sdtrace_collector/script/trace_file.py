"""The trace of a recorder, with its facts, under its own name."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sdtrace_collector.script.record import ScriptFacts
from sdtrace_collector.stream import chunks_of, pending, with_facts


def write_trace(trace: Path, facts: ScriptFacts, target: Path, *, force: bool) -> None:
    """Writes torch's file `trace` with the facts as `target`, gzipped if its name ends in .gz.

    Raises:
        VariantFailed: `target` exists and `force` is off, or cannot be written.
    """
    with pending(target, force=force) as write:
        write(with_facts(chunks_of([str(trace)], lambda: False), msgspec.json.encode(facts)))
