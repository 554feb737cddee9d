"""Jobs recorded on two H100s of one host, with 20.1 ms of sleep on one rank; cut to the steps around it.

Random weights at real geometry: few blocks of FLUX.1 under diffusers' Ulysses context parallel, a DiT in two
stages by torch.distributed.pipelining (GPipe), halves of a latent with halo exchange, FSDP2 training.
"""

from __future__ import annotations

import gzip
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from tests.job.independent import events_of

FIELD = Path(__file__).parents[1] / "field"
JOBS = {"ulysses": 1, "gpipe": 1, "patch": 0, "fsdp": 1}
"""The rank that sleeps."""
SLEPT_US = 20_100


def paths(name: str) -> list[Path]:
    return [FIELD / f"h100_{name}.rank{rank}.json.gz" for rank in (0, 1)]


@pytest.fixture(scope="module", params=JOBS)
def job(request: pytest.FixtureRequest) -> tuple[str, sdtrace.JobAnalysis]:
    return request.param, sdtrace.load_job(*paths(request.param))


def test_the_rank_that_sleeps_answers_for_it(job: tuple[str, sdtrace.JobAnalysis]) -> None:
    name, analysis = job
    report = analysis.report
    (stall,) = [one for one in report.findings if one.id == "job.stall"]
    assert stall.title.startswith(f"Rank {JOBS[name]} stands still")
    lasted = re.search(r"for (\d+\.\d) ms after `cudaDeviceSynchronize`", stall.evidence)
    assert lasted is not None
    assert 1_000 * float(lasted[1]) == pytest.approx(SLEPT_US, rel=0.03)
    assert stall.saving_us == pytest.approx(SLEPT_US, rel=0.03)
    late = next(one for one in report.findings if one.id == "job.late")
    assert late.title == f"The other ranks wait for rank {JOBS[name]}"
    assert late.title in report.verdict
    assert "job.uneven" not in {one.id for one in report.findings}  # both do the same work


def test_time_in_communication_is_that_of_its_kernels(job: tuple[str, sdtrace.JobAnalysis]) -> None:
    name, analysis = job
    for rank, path in zip(analysis.report.ranks, paths(name), strict=True):
        work = [event for event in events_of(path) if event.get("cat", "").startswith(("kernel", "gpu_mem"))]
        talks = _union([event for event in work if "nccl" in event["name"]])
        others = _union([event for event in work if "nccl" not in event["name"]])
        both = _union(work)
        assert rank.communication_us == pytest.approx(float(talks), abs=0.01)
        assert rank.exposed_us == pytest.approx(float(both - others), abs=0.01)
        assert rank.waiting_us <= rank.communication_us


def test_messages_are_those_that_both_sides_tell() -> None:
    for name in ("gpipe", "patch"):
        told = [
            (rank, event["args"]["Dst Rank"])
            for rank, path in enumerate(paths(name))
            for event in events_of(path)
            if event["name"] == "record_param_comms" and event["args"].get("Collective name") == "send"
        ]
        late = sdtrace.load_job(*paths(name)).late.filter(collective="send_recv")
        assert late.height == len(told) > 10
        assert set(late["rank"]) | set(late["first"]) == {0, 1}


def test_messages_set_clocks_that_are_apart(tmp_path: Path) -> None:
    ahead_ms, apart = (0, 7), [tmp_path / path.name.removesuffix(".gz") for path in paths("gpipe")]
    for path, source, ahead in zip(apart, paths("gpipe"), ahead_ms, strict=True):
        trace = json.loads(gzip.decompress(source.read_bytes()))
        trace["baseTimeNanoseconds"] += 1_000_000 * ahead
        path.write_text(json.dumps(trace))
    as_they_are, moved = (sdtrace.load_job(*files).report for files in (paths("gpipe"), apart))
    assert as_they_are.ranks[1].clock_shift_us == 0  # they share a clock, and no message contradicts it
    within = moved.clocks.residual_us
    assert within is not None
    assert within < 100
    assert moved.ranks[1].clock_shift_us == pytest.approx(-7_000, abs=within)
    found = [
        [one.title for one in report.findings if one.id == "job.stall"] for report in (as_they_are, moved)
    ]
    assert found[0] == found[1] != []


def _union(events: list[dict[str, Any]]) -> Decimal:
    spans = sorted((Decimal(event["ts"]), Decimal(event["ts"]) + Decimal(event["dur"])) for event in events)
    covered, until = Decimal(0), spans[0][0]
    for start, end in spans:
        covered += max(Decimal(0), end - max(start, until))
        until = max(until, end)
    return covered
