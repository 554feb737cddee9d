"""Sends and receives in groups of three ranks and more: who waits for whom."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.analysis.options import Options
from sdtrace.job.peers import Peer, peer_in_inputs, peer_in_parameters
from sdtrace.job.rank import ranks_of
from tests.job.independent import events_of

FIELD = Path(__file__).parents[1] / "field"
GLOO = [FIELD / f"gloo_pipeline.rank{rank}.json.gz" for rank in range(3)]
"""Three stages of a denoiser on CPUs, recorded: rank 1 sleeps for 20.1 ms in step 3 of each of two images."""


@pytest.fixture(scope="module")
def pipeline() -> sdtrace.JobAnalysis:
    return sdtrace.load_job(*GLOO)


def test_the_stage_that_sleeps_is_named_and_not_those_behind_it(pipeline: sdtrace.JobAnalysis) -> None:
    first, *others = [one for one in pipeline.report.findings if one.id == "job.late"]
    assert first.title == "The other ranks wait for rank 1"
    (stall,) = [one for one in pipeline.report.findings if one.id == "job.stall"]
    assert stall.title == "Rank 1 stands still in step 3, and the others wait"
    assert "20.2 ms, 20.2 ms after `c10d::recv_` (iterations 1, 2)" in stall.evidence
    assert stall.saving_us == pytest.approx(2 * 20_130, rel=0.02)  # timed where it slept: 20.130 ms, twice
    assert first.saving_us is not None
    assert all((one.saving_us or 0) < first.saving_us / 5 for one in others)


def test_each_send_meets_its_receive(pipeline: sdtrace.JobAnalysis) -> None:
    pairs: Counter[tuple[int, int]] = Counter()
    for rank, path in enumerate(GLOO):
        for event in events_of(path):
            if event["name"] == "c10d::send":
                pairs[rank, int(event["args"]["Concrete Inputs"][2])] += 1
    assert pairs == {(0, 1): 16, (1, 2): 16, (2, 0): 16}
    met = pipeline.late.filter(collective="send_recv")
    assert met.height == pairs.total()
    assert Counter(met["rank"].to_list() + met["first"].to_list()) == {0: 32, 1: 32, 2: 32}
    (row,) = [row for row in pipeline.report.collectives if row.kind == "send_recv"]
    assert row.bytes == 64 * 96 * 4


def test_nobody_waits_longer_than_the_clock_runs(pipeline: sdtrace.JobAnalysis) -> None:
    for rank in pipeline.report.ranks:
        assert rank.waiting_us <= rank.wall_us
        assert rank.late_us <= max(other.wall_us for other in pipeline.report.ranks)


def test_ranks_of_one_host_share_its_clock(pipeline: sdtrace.JobAnalysis, tmp_path: Path) -> None:
    clocks = pipeline.report.clocks  # there is one barrier: it agrees with itself
    assert (clocks.collectives, clocks.residual_us) == (0, None)
    assert clocks.how == "All ranks ran on one host, vm, whose times are taken as they are."
    apart = [tmp_path / path.name.removesuffix(".gz") for path in GLOO]
    for rank, path in enumerate(apart):
        text = gzip.decompress(GLOO[rank].read_bytes()).decode()
        path.write_text(text.replace('"host_name": "vm"', f'"host_name": "vm{rank}"'))
    others = sdtrace.load_job(*apart).report.clocks
    assert (others.collectives, others.residual_us) == (1, None)
    assert "too few to tell how closely" in others.how


LATE_US, STEPS = 5_000, 3


def ring(folder: Path, info: bool = True, hidden_by: float = 0) -> list[Path]:
    """Three ranks, each of which sends to the next one in a batch; rank 1 works longer in the second step.

    The others compute on another stream for the last `hidden_by` microseconds of their wait.
    """
    begins = [100.0] * 3
    events: list[list[dict[str, Any]]] = [[], [], []]
    for step in range(STEPS):
        works = [1_000 + (LATE_US if (rank, step) == (1, 1) else 0) for rank in range(3)]
        arrived = [begin + work for begin, work in zip(begins, works, strict=True)]
        ends = [max(arrived[rank], arrived[rank - 1], arrived[(rank + 1) % 3]) + 50 for rank in range(3)]
        for rank in range(3):
            number = 10 * step + 1
            host = begins[rank] - 60
            events[rank] += [
                *_launch("aten::mm", "cpu_op", host, "gemm", begins[rank], works[rank], number),
                _told(host + 12, "send", (rank + 1) % 3),
                _told(host + 16, "recv", (rank - 1) % 3),
                *_launch(
                    "nccl:coalesced",
                    "user_annotation",
                    host + 20,
                    "ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)",
                    arrived[rank],
                    ends[rank] - arrived[rank],
                    number + 1,
                ),
            ]
            if hidden_by and (step, rank) in ((1, 0), (1, 2)):
                more = _launch("aten::mm", "cpu_op", host + 40, "gemm", ends[rank] - hidden_by, hidden_by, 99)
                events[rank] += [*more[:2], {**more[2], "tid": 8}]
        begins = [max(ends) + 100] * 3
    paths = []
    for rank in range(3):
        told = {"backend": "nccl", "rank": rank, "world_size": 3} if info else {}
        top = {"distributedInfo": told, "baseTimeNanoseconds": 1_790_000_000_000_000_000}
        paths.append(folder / f"ring.rank{rank}.json")
        paths[-1].write_text(json.dumps({**top, "traceEvents": events[rank]}))
    return paths


def _launch(
    op: str, category: str, host: float, kernel: str, start: float, took: float, number: int
) -> list[dict[str, Any]]:
    call = {"correlation": number}
    return [
        _event(category, op, 1, host, 8, {}),
        _event("cuda_runtime", "cudaLaunchKernel", 1, host + 2, 4, call),
        _event("kernel", kernel, 7, start, took, {**call, "device": 0, "stream": 7}, pid=0),
    ]


def _told(host: float, name: str, peer: int) -> dict[str, Any]:
    args = {
        "Collective name": name,
        "In msg nelems": 1024,
        "Out msg nelems": 1024,
        "dtype": "Float",
        "Group size": 3,
        "Process Group Name": "0",
        "Process Group Ranks": "[0, 1, 2]",
        "Rank": peer,
        "Dst Rank" if name == "send" else "Src Rank": peer,
    }
    return _event("cpu_op", "record_param_comms", 1, host, 3, args)


def _event(
    category: str, name: str, tid: int, ts: float, dur: float, args: dict[str, Any], pid: int = 1
) -> dict[str, Any]:
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": pid,
        "tid": tid,
        "ts": ts,
        "dur": dur,
        "args": args,
    }


def test_calls_of_a_batch_share_its_kernel(tmp_path: Path) -> None:
    job = sdtrace.load_job(*ring(tmp_path))
    (row,) = job.report.collectives
    kernels = [
        event["dur"]
        for path in ring(tmp_path)
        for event in events_of(path)
        if event["name"].startswith("nccl")
    ]
    assert (row.kind, row.bytes, row.calls) == ("send_recv", 4096, 2 * STEPS)
    assert row.us == float(sum(dur for dur in kernels if dur > 8))  # the others are annotations
    assert job.late.height == 3 * STEPS
    waits = job.late.filter(job.late["by_us"] > 0).select("rank", "first", "by_us").sort("first").rows()
    assert waits == [(1, 0, LATE_US), (1, 2, LATE_US)]
    ranks = job.report.ranks
    assert [rank.late_us for rank in ranks] == [0, LATE_US, 0]
    assert [rank.waiting_us for rank in ranks] == [LATE_US, 0, LATE_US]
    (finding,) = [one for one in job.report.findings if one.id == "job.late"]
    assert finding.title == "The other ranks wait for rank 1"
    assert "GPU work (gemm) 5.00 ms" in finding.evidence


@pytest.mark.parametrize(("hidden_by", "cost"), [(LATE_US + 50, 0), (2_000, LATE_US - 2_000 + 50)])
def test_what_other_work_hides_of_a_wait_costs_nothing(tmp_path: Path, hidden_by: int, cost: int) -> None:
    job = sdtrace.load_job(*ring(tmp_path, hidden_by=hidden_by))
    ranks = job.report.ranks
    assert [rank.waiting_us for rank in ranks] == [LATE_US, 0, LATE_US]
    assert ranks[1].late_us == pytest.approx(cost, abs=1)


def test_the_rank_in_a_send_is_not_that_of_its_trace(tmp_path: Path) -> None:
    paths = ring(tmp_path, info=False)
    ranks = [rank for path in paths for rank in ranks_of(sdtrace.load(path).study, Options.of().rules)]
    assert [(rank.number, rank.told) for rank in ranks] == [(0, False), (1, False), (2, False)]  # by name


def test_the_peer_is_read_from_what_torch_writes() -> None:
    group = {"Process Group Ranks": "[4, 6, 9]", "Rank": 2}
    assert peer_in_parameters("send", {**group, "Dst Rank": 9}) == Peer(9, is_send=True)
    assert peer_in_parameters("recv", group) == Peer(9, is_send=False)  # torch before it wrote `Src Rank`
    assert peer_in_parameters("allreduce", group) is None
    assert peer_in_parameters("send", {"Rank": 2}) is None
    assert peer_in_inputs("c10d::send", {"Concrete Inputs": ["", "", "1", "7"]}) == Peer(1, True, 7)
    assert peer_in_inputs("c10d::recv_any_source_", {"Concrete Inputs": ["", "", "7"]}) is None
    assert peer_in_inputs("c10d::recv_", {}) is None
