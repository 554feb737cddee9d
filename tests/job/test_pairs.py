"""Sends and receives in groups of three ranks and more: who waits for whom."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

import sdtrace
from sdtrace.job.peers import Peer, peer_in_inputs, peer_in_parameters
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


def test_the_peer_is_read_from_what_torch_writes() -> None:
    group = {"Process Group Ranks": "[4, 6, 9]", "Rank": 2}
    assert peer_in_parameters("send", {**group, "Dst Rank": 9}) == Peer(9, is_send=True)
    assert peer_in_parameters("recv", group) == Peer(9, is_send=False)  # torch before it wrote `Src Rank`
    assert peer_in_parameters("allreduce", group) is None
    assert peer_in_parameters("send", {"Rank": 2}) is None
    assert peer_in_inputs("c10d::send", {"Concrete Inputs": ["", "", "1", "7"]}) == Peer(1, True, 7)
    assert peer_in_inputs("c10d::recv_any_source_", {"Concrete Inputs": ["", "", "7"]}) is None
    assert peer_in_inputs("c10d::recv_", {}) is None
