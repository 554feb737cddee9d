"""One rank of a job, reduced to what a job needs: small, so that traces need not be kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from sdtrace.analysis.study import Study, study_trace
from sdtrace.breakdowns.rules import Rules
from sdtrace.intervals import Bools, Int64s, Intervals, covered, place_of, subtract, total, union
from sdtrace.job.calls import COLLECTIVE, Call, find_calls
from sdtrace.job.peers import members_of
from sdtrace.job.spent import Spent, time_spent
from sdtrace.phases.phases import wall
from sdtrace.reader.categories import COPIES
from sdtrace.trace import Trace
from sdtrace.trace.encodable import encodable
from sdtrace.trace.model import Int32s
from sdtrace.waiting.idle import Cause

_MOST_RANKS: Final = 1024
"""Processes of one file that are studied one by one; more are looked at together."""
_RANK_IN_NAME: Final = re.compile(r"(?:^|[^a-zA-Z])(?:rank|tp|dp|pp|ep|cp|sp)[-_ ]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Rank:
    """What a job needs of one rank. Times are nanoseconds; `base_ns` added they are those of the clock.

    `number` is None where nothing tells it. `told` says whether the trace tells it, and not only its name.
    `groups` names its default process group, '' where the trace does not. `iteration`, `step` and `component`
    have one element per call, -1 and '' for none; so has `silent_step`, the step that holds the middle of the
    longest silence before the call.
    """

    name: str
    path: str
    number: int | None
    told: bool
    world_size: int | None
    groups: str
    device: str
    base_ns: int
    start_ns: int
    end_ns: int
    busy_ns: int
    compute_ns: int
    copies_ns: int
    communication_ns: int
    exposed_ns: int
    idle: list[Cause]
    calls: list[Call]
    overlapped_ns: Int64s
    spent: Spent
    iteration: Int64s
    step: Int64s
    silent_step: Int64s
    component: list[str]
    link_properties: Mapping[str, Any]
    """The device as the profiler recorded it."""
    devices_of_host: int
    host: str = ""
    """As newer torch writes it."""

    @property
    def idle_ns(self) -> int:
        """All idle time of its devices."""
        return sum(cause.ns for cause in self.idle)


def ranks_of(study: Study, rules: Rules) -> list[Rank]:
    """The ranks of a trace: of a merged file one for each process that has device work, else one.

    Processes whose device work follows that of each other are no ranks: nothing ran together.
    """
    return _numbered([rank for rank, _ in _each(study, rules)])


def ranks_and_studies(study: Study, rules: Rules) -> list[tuple[Rank, Study]]:
    """The ranks of a trace as `ranks_of` has them, each with the study of its own events."""
    found = list(_each(study, rules))
    ranks = _numbered([rank for rank, _ in found])
    return list(zip(ranks, (one for _, one in found), strict=True))


def _each(study: Study, rules: Rules) -> Iterator[tuple[Rank, Study]]:
    """Rank by rank, so that not all need to be kept."""
    trace, work = study.trace, study.linked.work
    working = np.unique(work.process)
    working = working[working >= 0]
    if len(working) > _MOST_RANKS or not _together(study, working):
        yield _rank(study, in_process=None), study
        return
    of_event = trace.process_of(np.arange(len(trace))).copy()
    of_event[work.row] = work.process
    for process in working.tolist():
        one = study_trace(trace.take(np.flatnonzero(of_event == process)), rules)
        yield _rank(one, in_process=str(trace.processes[process].pid)), one


def _together(study: Study, processes: Int32s) -> bool:
    """Whether two of the processes had device work during the same time."""
    work, trace = study.linked.work, study.trace
    mine = np.flatnonzero(np.isin(work.process, processes))
    place = np.searchsorted(processes, work.process[mine])
    begins = np.full(len(processes), np.iinfo(np.int64).max)
    np.minimum.at(begins, place, trace.start_ns[work.row[mine]])
    ends = np.zeros(len(processes), np.int64)
    np.maximum.at(ends, place, trace.end_ns[work.row[mine]])
    order = np.argsort(begins)
    return bool((begins[order][1:] < np.maximum.accumulate(ends[order])[:-1]).any())


def _numbered(ranks: list[Rank]) -> list[Rank]:
    """Ranks of one file, counted where they do not tell their numbers."""
    numbers = [rank.number for rank in ranks]
    if len(ranks) > 1 and (None in numbers or len(set(numbers)) < len(numbers)):
        return [replace(rank, number=place, told=False) for place, rank in enumerate(ranks)]
    return ranks


def _rank(study: Study, in_process: str | None) -> Rank:
    trace = study.trace
    calls = find_calls(study)
    start, end = wall(trace)
    info = trace.top_level.get("distributedInfo")
    facts = info if isinstance(info, dict) and in_process is None else {}
    number, told = _number(trace, facts, calls, in_process)
    spent = time_spent(study, calls, start)
    return Rank(
        name=trace.label,
        path=encodable(str(trace.path)),
        number=number,
        told=told,
        world_size=_world_size(facts, calls),
        groups=_groups(facts),
        device=str(trace.device.get("name", "")),
        base_ns=trace.origin_ns + _integer(trace.top_level.get("baseTimeNanoseconds")),
        start_ns=start,
        end_ns=end,
        idle=study.idle.causes(),
        calls=calls,
        spent=spent,
        link_properties=trace.device,
        devices_of_host=len(trace.top_level.get("deviceProperties") or ()),
        host=host if isinstance(host := trace.top_level.get("host_name"), str) else "",
        **_times(study, calls),
        **_places(study, calls, spent),
    )


def _times(study: Study, calls: Sequence[Call]) -> dict[str, Any]:
    """How long the device did what, and how much of each call other work hides."""
    trace, row = study.trace, study.linked.work.row
    is_talk = np.array([name == COLLECTIVE for name in study.categorized.categories], np.bool_)
    talks, copies = is_talk[study.categorized.code], trace.in_categories(COPIES)[row]

    def when(mine: Bools) -> Intervals:
        return union(trace.start_ns[row[mine]], trace.end_ns[row[mine]])

    others = when(~talks)
    begun = np.array([call.start_ns for call in calls], np.int64)
    ended = np.array([call.end_ns for call in calls], np.int64)
    return {
        "busy_ns": total(when(np.ones(len(row), np.bool_))),
        "compute_ns": total(when(~talks & ~copies)),
        "copies_ns": total(when(copies)),
        "communication_ns": total(when(talks)),
        "exposed_ns": total(subtract(when(talks), others)),
        "overlapped_ns": covered(others, begun, ended),
    }


def _places(study: Study, calls: Sequence[Call], spent: Spent) -> dict[str, Any]:
    """The iteration, the step and the component that each call was made in."""
    structure = study.structure
    steps, iterations, components = structure.steps, structure.iterations, structure.components
    called = np.array([call.called_ns for call in calls], np.int64)
    codes = components.at(called, np.array([call.thread for call in calls], np.int64))
    _, index = steps.within(iterations)
    return {
        "iteration": iterations.at(called),
        "step": np.append(index, -1)[place_of(steps.start_ns, steps.end_ns, called)],
        "silent_step": np.append(index, -1)[place_of(steps.start_ns, steps.end_ns, spent.silent_ns)],
        "component": ["" if code < 0 else components.names[code] for code in codes.tolist()],
    }


def _number(
    trace: Trace, facts: Mapping[str, Any], calls: Sequence[Call], in_process: str | None
) -> tuple[int | None, bool]:
    """The rank's number, and whether the trace itself tells it: names of files and processes only hint."""
    if isinstance(facts.get("rank"), int):
        return int(facts["rank"]), True
    for call in calls:
        members = members_of(call.group)
        if call.group_rank is not None and call.group_rank < len(members):
            return members[call.group_rank], True
    hints = [trace.label, trace.path.parent.name] if in_process is None else [in_process]
    found = next((found for hint in hints if (found := _RANK_IN_NAME.search(hint))), None)
    return (int(found[1]) if found else None), False


def _world_size(facts: Mapping[str, Any], calls: Sequence[Call]) -> int | None:
    if isinstance(facts.get("world_size"), int):
        return int(facts["world_size"])
    return max((call.group_size for call in calls if call.group_size is not None), default=None)


def _groups(facts: Mapping[str, Any]) -> str:
    """The process groups as one text, equal for ranks of one job: of the default group name and ranks."""
    groups = facts.get("pg_config")
    first = groups[0] if isinstance(groups, list) and groups else None
    return f"{first.get('pg_name')} {first.get('ranks')}" if isinstance(first, dict) else ""


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def name_without_ranks(path: str) -> str:
    """A path with a star for each number of a rank in it.

    >>> [name_without_ranks(path) for path in ("job7/rank1/run.tp-1.json", "rank0.json", "a.json")]
    ['job7/rank*/run.tp-*.json', 'rank*.json', 'a.json']
    """
    name = path.replace("\\", "/")
    return _RANK_IN_NAME.sub(lambda found: found[0][: -len(found[1])] + "*", name)
