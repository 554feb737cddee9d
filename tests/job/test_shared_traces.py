"""Real traces of several ranks, against what is known of them and an independent count of the file."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import pytest

import sdtrace
from sdtrace.job.calls import find_calls
from sdtrace.job.kinds import dtype_of
from tests.job.independent import by_kernel, events_of
from tests.loaded import study_of
from tests.shared import shared_trace


@pytest.fixture(scope="module")
def cfg() -> sdtrace.JobAnalysis:
    return sdtrace.load_job(*(shared_trace(f"wild/cfg_parallel.rank{rank}.json.gz") for rank in (0, 1)))


def test_the_rank_that_sleeps_is_named_with_its_step(cfg: sdtrace.JobAnalysis) -> None:
    (stall,) = [finding for finding in cfg.report.findings if finding.id == "job.stall"]
    assert stall.title == "Rank 1 stands still in step 4, and the others wait"
    assert "20.2 ms, 20.3 ms" in stall.evidence
    assert "iterations 1, 2" in stall.evidence
    in_step = [row for row in cfg.report.late if row.step == 3]
    assert [row.rank for row in in_step] == [1, 1]
    assert all(re.search(r"nothing recorded on the CPU for 20\.[23] ms", row.doing) for row in in_step)


def test_collectives_are_those_of_the_file(cfg: sdtrace.JobAnalysis) -> None:
    for rank, one in enumerate(cfg.analyses):
        path = shared_trace(f"wild/cfg_parallel.rank{rank}.json.gz")
        counted = by_kernel(path)
        calls = find_calls(one.study)
        ours = Counter((call.nbytes, call.dtype) for call in calls)
        assert ours == {(size, dtype_of(dtype)): count for (size, dtype), (count, _) in counted.items()}
        assert sum(call.busy_ns for call in calls) == sum(us for _, us in counted.values()) * 1000
    (row,) = cfg.report.collectives
    assert (row.kind, row.calls, row.bytes, len(cfg.report.late)) == ("all_gather", 12, 65_536, 12)
    assert cfg.report.clocks.residual_us is not None
    assert cfg.report.clocks.residual_us < 2


def test_lateness_is_the_difference_of_starts_in_the_file(cfg: sdtrace.JobAnalysis) -> None:
    starts = [
        [
            event["ts"]
            for event in events_of(shared_trace(f"wild/cfg_parallel.rank{rank}.json.gz"))
            if event.get("cat") == "kernel" and "nccl" in event["name"]
        ]
        for rank in (0, 1)
    ]
    for row, first, second in zip(cfg.report.late, *starts, strict=True):
        assert row.rank == int(second > first)
        assert row.by_us == pytest.approx(float(abs(second - first)), abs=0.2)  # the clock's shift of 60 ns


def test_old_traces_tell_sizes_by_their_annotations() -> None:
    path = shared_trace("third_party/hta_cudagraph_training_a100.json.gz")
    calls = find_calls(study_of(path))
    events = events_of(path)
    kernels = [Decimal(e["dur"]) for e in events if e.get("cat") == "kernel" and "nccl" in e["name"]]
    assert sum(call.busy_ns for call in calls) == sum(kernels) * 1000
    annotated = Counter(
        e["name"].removeprefix("nccl:").removeprefix("_").removesuffix("_base")
        for e in events
        if e.get("cat") == "user_annotation" and e["name"].startswith("nccl:")
    )
    counted = Counter(call.kind for call in calls)
    # Five kernels were launched before the profile began: nothing says what they send.
    assert counted == {**annotated, "send_recv": 5}
    inputs = [e["args"]["Input Dims"][0][0] for e in events if e["name"] == "nccl:all_reduce"]
    assert sorted(call.nbytes or 0 for call in calls if call.kind == "all_reduce") == sorted(
        4 * size for size in inputs
    )


def test_processes_of_a_merged_file_are_ranks() -> None:
    job = sdtrace.load_job(shared_trace("../field/two_ranks_merged.json"))
    assert [(rank.rank, rank.compute_us) for rank in job.report.ranks] == [(0, 2_000), (1, 6_000)]
    assert job.report.late == []
