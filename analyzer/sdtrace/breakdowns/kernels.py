"""Device work by kernel name and by category."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int32s, Int64s
from sdtrace.breakdowns.categories import categorize
from sdtrace.breakdowns.rules import KernelKey, Rules
from sdtrace.breakdowns.short_names import short_name
from sdtrace.trace.model import Bools

_CONTEXT: Final = re.compile(r"attention|attn", re.IGNORECASE)
_NOT_CONTEXT: Final = re.compile(r"dynamo_timed|_data: |^triton_|CompiledFxGraph|^aten::(?!.*_math)")


class KernelRow(NamedTuple):
    """All device work of one name; times in integer nanoseconds."""

    name: str
    short_name: str
    category: str
    calls: int
    total_ns: int
    min_ns: int
    max_ns: int


class CategoryRow(NamedTuple):
    """All device work of one category; nanoseconds."""

    category: str
    calls: int
    gpu_ns: int


@dataclass(frozen=True)
class Categorized:
    """The category of each piece of device work: `code` (int64, one per piece) indexes `categories`."""

    categories: list[str]
    code: Int64s


def categorize_work(linked: LinkedTrace, rules: Rules) -> Categorized:
    """File every piece of device work under a category: by kind, name, launching op and surroundings."""
    trace, work = linked.trace, linked.work
    op_name = np.where(work.op >= 0, linked.host.name[work.op], -1) if len(linked.host) else work.op
    context = _contexts(linked)
    first, which = _distinct((trace.category[work.row], trace.name[work.row], op_name, context))
    names = [*trace.names, ""]
    labels = categorize(
        [
            KernelKey(trace.categories[kind], names[name], names[op], names[around])
            for kind, name, op, around in zip(
                trace.category[work.row[first]].tolist(),
                trace.name[work.row[first]].tolist(),
                op_name[first].tolist(),
                context[first].tolist(),
                strict=True,
            )
        ],
        rules,
    )
    categories = sorted(set(labels))
    numbers = np.array([categories.index(label) for label in labels], np.int64)
    return Categorized(categories, numbers[which])


def _distinct(columns: Sequence[Int64s | Int32s]) -> tuple[Int64s, Int64s]:
    """Distinct rows: where each first occurs, and which one each row is."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, number = np.unique(column, return_inverse=True)
        _, code = np.unique(code * (number.max(initial=0) + 1) + number, return_inverse=True)
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return first, which


def kernel_rows(linked: LinkedTrace, categorized: Categorized, mask: Bools | None = None) -> list[KernelRow]:
    """One row per name, longest total first; a name in several categories shows the one with most time."""
    trace = linked.trace
    row, code = linked.work.row, categorized.code
    if mask is not None:
        row, code = row[mask], code[mask]
    if not row.size:
        return []
    dur_ns = trace.dur_ns[row]
    names, which = np.unique(trace.name[row], return_inverse=True)
    order = np.lexsort((dur_ns, which))
    first = np.searchsorted(which[order], np.arange(len(names)))
    last = np.append(first[1:], len(order)) - 1
    calls, total = np.bincount(which), sum_by(which, dur_ns, len(names))
    by_category = sum_by(
        which * len(categorized.categories) + code, dur_ns, len(names) * len(categorized.categories)
    )
    chosen = by_category.reshape(len(names), -1).argmax(axis=1)
    ordered = dur_ns[order]
    rows = [
        KernelRow(
            trace.names[name], short_name(trace.names[name]), categorized.categories[category], *numbers
        )
        for name, category, *numbers in zip(
            names.tolist(),
            chosen.tolist(),
            calls.tolist(),
            total.tolist(),
            ordered[first].tolist(),
            ordered[last].tolist(),
            strict=True,
        )
    ]
    return sorted(rows, key=lambda item: (-item.total_ns, item.name))


def category_rows(
    linked: LinkedTrace, categorized: Categorized, mask: Bools | None = None
) -> list[CategoryRow]:
    """One row per category, longest total first."""
    row, code = linked.work.row, categorized.code
    if mask is not None:
        row, code = row[mask], code[mask]
    n = len(categorized.categories)
    calls, total = np.bincount(code, minlength=n), sum_by(code, linked.trace.dur_ns[row], n)
    rows = [
        CategoryRow(category, *numbers)
        for category, *numbers in zip(categorized.categories, calls.tolist(), total.tolist(), strict=True)
    ]
    return sorted((item for item in rows if item.calls), key=lambda item: (-item.gpu_ns, item.category))


def _contexts(linked: LinkedTrace) -> Int64s:
    """For each piece of work the name of the nearest enclosing event that speaks of attention, or -1."""
    names, host, work = linked.trace.names, linked.host, linked.work
    speaks = np.array([bool(_CONTEXT.search(n)) and not _NOT_CONTEXT.search(n) for n in names], np.bool_)
    result = np.full(len(work.op), -1, np.int64)
    if not len(host) or not speaks[host.name].any():
        return result
    open_work = np.flatnonzero(work.op >= 0)
    at = work.op[open_work]
    while open_work.size:
        hit = speaks[host.name[at]]
        result[open_work[hit]] = host.name[at[hit]]
        at = host.tree_parent[at]
        further = ~hit & (at >= 0)
        open_work, at = open_work[further], at[further]
    return result
