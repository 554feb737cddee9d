"""Which op and which annotation HTA's analyses look at, where nobody says so."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sdtrace.analysis.study import Study

_STEP: Final = "ProfilerStep"


def default_operator(study: Study, least: int) -> str | None:
    """The op with most device time of those that launch `least` kernels or more at once; None without one."""
    host, work, trace = study.linked.host, study.linked.work, study.trace
    kernels, time = np.zeros(len(host), np.int64), np.zeros(len(host), np.int64)
    op, dur = work.op, trace.dur_ns[work.row]
    while (held := op >= 0).any():
        op, dur = op[held], dur[held]
        np.add.at(kernels, op, 1)
        np.add.at(time, op, dur)
        op = host.tree_parent[op]
    rows = np.flatnonzero(host.is_op & trace.in_categories({"cpu_op"})[host.row] & (kernels >= least))
    if not rows.size:
        return None
    of_name = np.bincount(host.name[rows], time[rows])
    return trace.names[int(of_name.argmax())]


def default_annotation(hta: Any, annotation: str | None, instance: int | None) -> tuple[str, int]:
    """An annotation and which of its instances, as HTA counts them.

    Profiler steps, else the annotation with most time, else `""`, which is the whole trace; the last on the
    CPU that is no shorter than half the usual one: most likely steady, and whole.
    """
    frame, numbers = hta.t.get_trace(hta.rank), hta.t.symbol_table.get_sym_index()
    on_cpu = frame["cat"] == numbers.get("user_annotation", -1)
    if annotation is None:
        annotation = _longest(frame[on_cpu], hta.t.symbol_table.get_sym_table())
    if instance is not None or not annotation:
        return annotation, instance or 0
    matching = frame["name"].isin([number for name, number in numbers.items() if annotation in name])
    durations = frame["dur"][matching & on_cpu]
    places = np.flatnonzero((on_cpu & (frame["dur"] >= durations.median() / 2))[matching].to_numpy())
    return annotation, int(places[-1]) if places.size else 0


def _longest(annotations: Any, names: list[str]) -> str:
    times = annotations.groupby("name")["dur"].sum()
    if any(_STEP in names[number] for number in times.index):
        return _STEP
    return names[times.idxmax()] if len(times) else ""
