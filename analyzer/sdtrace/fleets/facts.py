"""What ran, where and when: the facts that every row of a store carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sdtrace.analysis.same_work import work_facts
from sdtrace.analysis.study import Study
from sdtrace.errors import UsageError
from sdtrace.model import TraceReport
from sdtrace.suggestions import did_you_mean

GIVEN: Final = ("work", "variant", "model", "card", "torch", "host", "commit", "job")
"""Facts that a user may give, beside those that the trace tells."""
PARTITIONS: Final = ("day", *GIVEN)
UNKNOWN: Final = ""
_HANDLER: Final = re.compile(r"(?P<host>.+)_\d+\.\d{10,}(?:\.pt)?")
"""How torch's `tensorboard_trace_handler` names files: host, process, time."""
_DIGITS: Final = re.compile(r"\d+")
_OLDEST_NS: Final = 946_684_800_000_000_000
"""2000-01-01: times before it count from when the machine started."""
_NEWEST_NS: Final = 4_102_444_800_000_000_000
_SPELLED: Final = {"host": ("host", "hostname", "host_name"), "commit": ("commit", "git_commit", "revision")}
"""Under which names a trace may tell a fact."""


def facts_of(
    study: Study, report: TraceReport, source: str, given: Mapping[str, str], from_path: str
) -> dict[str, str]:
    """The facts by name, those of `PARTITIONS`; '' for one that nothing tells.

    What the user gave wins; then the groups of the pattern `from_path` in the source; then the trace.
    """
    what = None if report.verdict is None else report.verdict.what
    told = {name: _told(study, name) for name in GIVEN}
    handler = _HANDLER.fullmatch(study.trace.label)
    found = {
        "day": day_of(start_ns(study)),
        **told,
        "work": told["work"] or _work(study),
        "variant": study.run.variant or UNKNOWN,
        "model": told["model"] or (what.model if what else UNKNOWN),
        "card": (what.device if what else UNKNOWN) or ("CPU" if report.on_cpu else UNKNOWN),
        "torch": (what.torch if what else UNKNOWN) or told["torch"],
        "host": told["host"] or (handler["host"] if handler else UNKNOWN),
    }
    return {**found, **_in_path(source, from_path), **given}


def start_ns(study: Study) -> int | None:
    """When the trace began, nanoseconds since 1970; None where its clock is none of the calendar."""
    base = study.trace.top_level.get("baseTimeNanoseconds")
    began = study.trace.origin_ns + (base if isinstance(base, int) else 0)
    return began if _OLDEST_NS < began < _NEWEST_NS else None


def day_of(began_ns: int | None) -> str:
    """The day in UTC, `2026-11-26`; '' where it is not known."""
    if began_ns is None:
        return UNKNOWN
    return datetime.fromtimestamp(began_ns / 1e9, UTC).date().isoformat()


def check(facts: Mapping[str, str], from_path: str) -> None:
    """Raise UsageError for a fact that there is not, or a pattern that is none."""
    try:
        groups = re.compile(from_path).groupindex
    except re.error as error:
        raise UsageError(f"{from_path!r} is no regular expression: {error}") from error
    if from_path and not groups:
        raise UsageError(f"{from_path!r} has no named group; write (?P<host>[^/]+) for the part of a path")
    for name in (*facts, *groups):
        if name not in PARTITIONS:
            hint = did_you_mean(name, PARTITIONS)
            raise UsageError(f"no fact is called {name!r}{hint}; facts are {', '.join(PARTITIONS)}")


def _in_path(source: str, pattern: str) -> dict[str, str]:
    found = re.search(pattern, source.replace("\\", "/")) if pattern else None
    return {name: text for name, text in found.groupdict().items() if text} if found else {}


def _told(study: Study, name: str) -> str:
    """What the collector wrote, or `prof.add_metadata(name, ...)` put beside the events."""
    for place in (study.trace.run, study.trace.top_level):
        for spelled in _SPELLED.get(name, (name,)):
            if isinstance(value := place.get(spelled), str) and value:
                return value
    return UNKNOWN


def _work(study: Study) -> str:
    """What an iteration does; where nothing tells it, what the file is called, without its numbers."""
    work = work_facts(study)
    facts: Mapping[str, Any] = work.recorded or work.counted
    if not facts:
        return f"named {_DIGITS.sub('#', study.trace.label)}"
    axes = study.trace.run.get("axes")
    dtype = axes.get("dtype") if isinstance(axes, dict) else None
    parts = [f"{name} {value}" for name, value in facts.items()]
    return ", ".join([*parts, f"dtype {dtype}"] if dtype else parts)
