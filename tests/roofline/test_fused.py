"""Bytes that Inductor's fused kernels read, against Nsight Compute's counters of the same kernels.

Counters were read with caches flushed before each kernel. What a kernel must read agrees with them where it
reads once. Group norms of channels-last tensors are split so that each part reads one channel of a group, and
come back to every 32 bytes of memory once per channel: what they fetch follows from their sources and the
size of the cache. Nothing was fitted. The H200's kernels and the H100's first are those of a UNet and a VAE,
of other sizes, types and batches; the last set is a transformer.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sdtrace import load as load_report
from sdtrace.attribution.linked_trace import LinkedTrace, attribute
from sdtrace.roofline.kinds import KindWork, work_of_kinds
from sdtrace.roofline.named_work import NamedWork, name_work
from sdtrace.roofline.peaks import find_peaks
from sdtrace.trace import load_trace

DATA = Path(__file__).parent / "data"
NEAR = 0.1
SMALL = 200_000
"""Below so many bytes a kernel's parameters and instructions, up to 40 kB, are a part of what it reads."""

LEFT = 8_000_000
"""So many bytes that the kernel before had written may still go from cache to memory."""


class Set(NamedTuple):
    """A recording: its kernels, how many are Triton's, and for how much of their time bytes agree."""

    name: str
    card: str
    kernels: int
    fused: int
    read: float
    fetched: float
    of_trace: float
    """As `fetched`, of the time in the trace."""


SETS = (
    Set("h200-compiled", "NVIDIA H200", 927, 559, 0.73, 0.90, 0.91),
    Set("h100-batch", "NVIDIA H100 80GB HBM3", 1098, 693, 0.50, 0.94, 0.95),
    Set("h100-transformer", "NVIDIA H100 80GB HBM3", 117, 49, 0.90, 0.90, 0.86),
)


class Counted(NamedTuple):
    kernel: str
    read: int
    written: int
    ns: int


@dataclass
class Sum:
    """The kernels of one name: our bytes, the counters', and the device time under Nsight Compute."""

    read: int = 0
    fetched: int = 0
    written: int = 0
    counted: int = 0
    counted_written: int = 0
    ns: int = 0
    calls: int = 0

    @property
    def is_tiny(self) -> bool:
        return self.read <= SMALL * self.calls


def load(name: str) -> LinkedTrace:
    return attribute(load_trace(DATA / f"{name}.json.gz"), with_python=False)


def counters(name: str) -> list[Counted]:
    with gzip.open(DATA / f"{name}.counters.json.gz") as stream:
        return [Counted(*row) for row in json.load(stream)]


@pytest.fixture(scope="module")
def linked() -> LinkedTrace:
    return load("h200-compiled")


def named(linked: LinkedTrace) -> NamedWork:
    return name_work(linked, np.zeros(len(linked.work.row), np.bool_))


def kernels_in_order(linked: LinkedTrace) -> list[int]:
    """Pieces of work that are kernels, as they ran."""
    trace, row = linked.trace, linked.work.row
    order = np.argsort(trace.start_ns[row], kind="stable")
    return [piece for piece in order.tolist() if not trace.names[trace.name[row[piece]]].startswith("Mem")]


@pytest.fixture(scope="module", params=SETS, ids=lambda one: one.name)
def measured(request: pytest.FixtureRequest) -> tuple[Set, dict[str, Sum]]:
    """Triton's kernels by name. Each kernel of the trace is the one in its place under Nsight Compute."""
    one: Set = request.param
    linked = load(one.name)
    work = named(linked)
    works = work_of_kinds(linked, work, find_peaks(one.card))
    pieces, counted = kernels_in_order(linked), counters(one.name)
    assert len(pieces) == len(counted) == one.kernels
    found: dict[str, Sum] = {}
    for piece, row in zip(pieces, counted, strict=True):
        name = linked.trace.names[linked.trace.name[linked.work.row[piece]]]
        assert name.startswith("triton_") == row.kernel.startswith("triton_")
        if not name.startswith("triton_"):
            continue
        assert name == row.kernel
        traffic = works[work.kind[piece]].traffic
        assert traffic is not None
        assert traffic.exact
        assert traffic.dram_bytes_read is not None
        total = found.setdefault(name, Sum())
        total.read += traffic.bytes_read
        total.fetched += traffic.dram_bytes_read
        total.written += traffic.bytes_written
        total.counted += row.read
        total.counted_written += row.written
        total.ns += row.ns
        total.calls += 1
    assert sum(total.calls for total in found.values()) == one.fused
    return one, found


def share(sums: dict[str, Sum], names: set[str]) -> float:
    return sum(sums[name].ns for name in names) / sum(one.ns for one in sums.values())


def test_reads_of_the_report_are_the_counters_by_name() -> None:
    """What a stranger compares: `kernels` of the report and of Nsight Compute, grouped by name."""
    for one in SETS:
        kernels = load_report(DATA / f"{one.name}.json.gz").report.kernels
        ours = {kernel.name: kernel for kernel in kernels if kernel.name.startswith("triton_")}
        counted = Counter[str]()
        for kernel in counters(one.name):
            counted[kernel.kernel] += kernel.read
        total_us = sum(kernel.total_us for kernel in ours.values())
        reads = {name: kernel.dram_bytes_read or 0 for name, kernel in ours.items()}
        near = [name for name in ours if abs(reads[name] / counted[name] - 1) <= NEAR]
        assert sum(ours[name].total_us for name in near) > one.of_trace * total_us, one.name
        assert sum(kernel.calls for kernel in ours.values()) == one.fused


def test_what_kernels_fetch_is_what_the_counters_say_for_nine_tenths_of_their_time(
    measured: tuple[Set, dict[str, Sum]],
) -> None:
    one, sums = measured
    near = {name for name, total in sums.items() if abs(total.fetched / total.counted - 1) <= NEAR}
    assert share(sums, near) > one.fetched
    rest = {name for name in sums.keys() - near if not sums[name].is_tiny}
    assert all(0.3 < sums[name].fetched / sums[name].counted < 1.25 for name in rest), "and is no other thing"


def test_what_kernels_must_read_is_less_where_they_come_back(measured: tuple[Set, dict[str, Sum]]) -> None:
    """It is never more than what they read, and less by over 10 % only where they fetch again or are tiny."""
    one, sums = measured
    ratios = {name: total.read / total.counted for name, total in sums.items()}
    assert share(sums, {name for name, ratio in ratios.items() if abs(ratio - 1) <= NEAR}) > one.read - 0.005
    assert max(ratios.values()) < 1.02
    less = {name for name, ratio in ratios.items() if ratio < 1 - NEAR and not sums[name].is_tiny}
    norms = {name for name in less if "group_norm" in name}
    assert norms == less or one.name == "h100-transformer"
    assert share(sums, {name for name, total in sums.items() if total.is_tiny and ratios[name] < 0.9}) < 0.06


def test_writes_are_at_least_those_of_the_counters(measured: tuple[Set, dict[str, Sum]]) -> None:
    """What is written may stay in the cache: the counters see less, and never much more."""
    _, sums = measured
    ours, counted = Counter[str](), Counter[str]()
    for name, total in sums.items():
        ours[name], counted[name] = total.written, total.counted_written
    assert counted.total() < 1.05 * ours.total()
    assert all(counted[name] < 1.05 * ours[name] + LEFT * sums[name].calls for name in sums)


def test_an_argument_counts_as_far_as_it_is_used() -> None:
    """SD3 cuts its table of positions, 36,864 rows, to the 4,096 of the image."""
    linked = load("h100-transformer")
    works = work_of_kinds(linked, named(linked), find_peaks("NVIDIA H100 80GB HBM3"))
    cut = [work for work in works if "1x36864x1536" in work.dims and work.kind.op.startswith("triton_poi")]
    assert len(cut) == 1
    assert cut[0].traffic is not None
    image, table = 2 * 1536 * 64 * 64 * 2, 4096 * 1536 * 2
    assert cut[0].traffic.bytes_read == pytest.approx(image + table, rel=0.01)


def without_roles(linked: LinkedTrace) -> LinkedTrace:
    top_level = {key: value for key, value in linked.trace.top_level.items() if key != "sdtrace"}
    return replace(linked, trace=replace(linked.trace, top_level=top_level))


@pytest.fixture(scope="module")
def bounds(linked: LinkedTrace) -> list[KindWork]:
    bare = without_roles(linked)
    return work_of_kinds(bare, named(bare), find_peaks("NVIDIA H200"))


def test_without_roles_the_bytes_are_a_bound_and_are_not_graded(
    linked: LinkedTrace, bounds: list[KindWork]
) -> None:
    """The sum of all arguments is the same or, where one is both read and written, less."""
    exact = work_of_kinds(linked, named(linked), find_peaks("NVIDIA H200"))
    pairs = [
        pair for pair in zip(exact, bounds, strict=True) if '"kernel_backend":"triton"' in pair[0].kind.args
    ]
    assert len(pairs) > 100
    for known, bound in pairs:
        assert known.roof is not None
        assert known.traffic is not None
        assert known.traffic.exact
        assert bound.traffic is not None
        assert not bound.traffic.exact
        assert bound.roof is None
        assert bound.moved is not None
        assert known.moved is not None
        assert bound.moved <= known.moved


def test_roles_of_another_number_of_arguments_are_not_believed(linked: LinkedTrace) -> None:
    roles = {key: value + "i" for key, value in linked.trace.run["triton_arguments"].items()}
    facts = {**linked.trace.top_level, "sdtrace": {"triton_arguments": roles}}
    other = replace(linked, trace=replace(linked.trace, top_level=facts))
    works = work_of_kinds(other, named(other), find_peaks("NVIDIA H200"))
    fused = [work for work in works if '"kernel_backend":"triton"' in work.kind.args]
    assert fused
    assert not any(work.roof or (work.traffic and work.traffic.exact) for work in fused)


@pytest.mark.parametrize("roles", [[], "io", 3, None, {"c": 5}, {"c": None}])
def test_roles_in_another_form_are_none(linked: LinkedTrace, roles: object) -> None:
    key = next(iter(linked.trace.run["triton_arguments"]))
    wrong = {key: roles["c"]} if isinstance(roles, dict) else roles
    facts = {**linked.trace.top_level, "sdtrace": {"triton_arguments": wrong}}
    other = replace(linked, trace=replace(linked.trace, top_level=facts))
    works = work_of_kinds(other, named(other), None)
    assert not any(work.traffic and work.traffic.exact for work in works if "triton" in work.kind.args)


@pytest.mark.parametrize(
    "entry",
    [[], 3, None, {"touched": 3}, {"touched": [-1]}, {"touched": [1], "again": [[1]]}, {"touched": ["8", 8]}],
)
def test_what_is_touched_in_another_form_is_not_known(linked: LinkedTrace, entry: object) -> None:
    access = dict.fromkeys(linked.trace.run["triton_access"], entry)
    facts = {**linked.trace.top_level, "sdtrace": {**linked.trace.run, "triton_access": access}}
    other = replace(linked, trace=replace(linked.trace, top_level=facts))
    works = work_of_kinds(other, named(other), find_peaks("NVIDIA H200"))
    fused = [work for work in works if '"kernel_backend":"triton"' in work.kind.args]
    assert fused
    assert all(work.traffic and work.traffic.exact and work.traffic.dram_bytes_read is None for work in fused)
