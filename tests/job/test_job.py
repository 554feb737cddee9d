"""Two ranks of our own making: what kept whom waiting is known to the microsecond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.errors import DifferentWork, UsageError
from sdtrace.job.rank import ranks_of
from tests.cli.command import run
from tests.job import ranks

FILES = [ranks.FIELD / f"two_ranks.rank{rank}.json" for rank in (0, 1)]


@pytest.fixture(scope="module")
def job() -> sdtrace.JobAnalysis:
    return sdtrace.load_job(*FILES)


def test_the_files_are_what_is_written_here(tmp_path: Path) -> None:
    written = ranks.write(tmp_path, ranks.both())
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in FILES]


def test_the_late_rank_is_named_with_what_it_did(job: sdtrace.JobAnalysis) -> None:
    at_once, slept, worked = job.report.late
    assert (at_once.by_us, at_once.cause, at_once.doing) == (0, "", "")
    # Of the 20 ms it sleeps, its device still works for 0.7 ms, and 60 us pass until the call is launched.
    assert (slept.rank, slept.first, slept.cause) == (1, 0, "silence")
    assert slept.by_us == 19_385
    assert slept.cause_us == 19_325
    assert slept.doing == "nothing recorded on the CPU for 19.3 ms after `aten::mm`"
    assert (worked.rank, worked.by_us, worked.cause) == (0, ranks.MORE_WORK_US, "gemm")
    assert worked.doing == "2.00 ms more GPU work of category gemm, most for `aten::mm`"


def test_clocks_are_set_by_the_ends_of_collectives(job: sdtrace.JobAnalysis) -> None:
    assert [rank.clock_shift_us for rank in job.report.ranks] == [0, -ranks.AHEAD_US]
    assert (job.report.clocks.collectives, job.report.clocks.residual_us) == (ranks.STEPS, 0)


def test_bandwidth_counts_from_the_last_arrival(job: sdtrace.JobAnalysis) -> None:
    (row,) = job.report.collectives
    size = 4 * ranks.ELEMENTS
    assert (row.kind, row.bytes, row.dtype, row.calls) == ("all_reduce", size, "float32", ranks.STEPS)
    assert row.us == sum(rank.communication_us for rank in job.report.ranks) == 21_985
    assert row.waiting_us == 19_385 + 2_000
    assert row.transfer_us == ranks.TRANSFER_US
    # NCCL's factor of an all_reduce is 2 (n-1)/n: 1 for two ranks. An H100's links do 450 GB/s.
    assert row.algbw_gbps == row.busbw_gbps == pytest.approx(size / ranks.TRANSFER_US / 1e3)
    assert row.pct_of_link == pytest.approx(100 * size / ranks.TRANSFER_US / 1e3 / 450)


def test_each_rank_has_its_times(job: sdtrace.JobAnalysis) -> None:
    first, second = job.report.ranks
    assert (first.compute_us, second.compute_us) == (5_000, 3_000)
    assert (first.waiting_us, second.waiting_us) == (19_385, 2_000)
    assert (first.late_us, second.late_us) == (2_000, 19_385)
    assert first.communication_us == first.exposed_us == first.busy_us - first.compute_us
    assert job.ranks["rank"].to_list() == [0, 1]
    assert job.idle.filter(rank=1)["us"].sum() == second.idle_us


def test_findings_name_the_rank_that_stands_still(job: sdtrace.JobAnalysis) -> None:
    found = {finding.id: finding for finding in job.report.findings}
    assert found["job.stall"].title.startswith("Rank 1 stands still")
    assert "iteration 2" in found["job.stall"].evidence
    assert found["job.uneven"].saving_us == 1_000
    assert "Rank 1 stands still" in job.report.verdict


def _edited(folder: Path, **edits: dict[str, Any]) -> list[Path]:
    traces = ranks.both()
    for name, edit in edits.items():
        traces[int(name[-1])] |= edit
    return ranks.write(folder, traces)


def _report(paths: list[Path]) -> Any:
    from sdtrace.job.in_report import report_of_all  # noqa: PLC0415
    from sdtrace.job.rank import ranks_of  # noqa: PLC0415

    found = [sdtrace.load(path) for path in paths]
    return report_of_all(
        [one.report for one in found], [ranks_of(one.study, one.options.rules) for one in found]
    )


def test_ranks_are_recognised_and_are_no_variants() -> None:
    report = _report(FILES)
    assert report.job is not None
    assert report.comparison is None
    assert report.job.confidence == "certain"


def test_without_a_word_on_ranks_collectives_and_names_tell(tmp_path: Path) -> None:
    silent = {"distributedInfo": None}
    job = _report(_edited(tmp_path, rank0=silent, rank1=silent)).job
    assert [rank.rank for rank in job.ranks] == [0, 1]
    assert "Their collectives name the same process group" in job.how


def test_traces_that_tell_no_group_but_rank_and_world_are_a_job(tmp_path: Path) -> None:
    """As torch wrote them before 2024, under names of hosts and processes."""
    paths = []
    for rank, trace in enumerate(ranks.both()):
        for event in trace["traceEvents"]:
            event["args"] = {key: value for key, value in event["args"].items() if "Group" not in key}
        trace["distributedInfo"] = {"backend": "nccl", "rank": rank, "world_size": 2}
        paths.append(tmp_path / f"node{7 * rank}_{4711 - rank}.1694128201{545 + rank}.pt.trace.json")
        paths[-1].write_text(json.dumps(trace))
    job = _report(paths).job
    assert job is not None
    assert (job.confidence, [rank.rank for rank in job.ranks]) == ("likely", [0, 1])


@pytest.mark.parametrize(
    "edit",
    [
        {"baseTimeNanoseconds": 1_790_000_060_000_000_000},
        {"distributedInfo": {"rank": 0, "world_size": 2, "pg_config": [{"pg_name": "0", "ranks": [0, 1]}]}},
        {"distributedInfo": {"rank": 1, "world_size": 4, "pg_config": [{"pg_name": "0", "ranks": [0, 1]}]}},
    ],
    ids=["another time", "the same rank", "another world"],
)
def test_runs_that_only_look_alike_are_no_job(tmp_path: Path, edit: dict[str, Any]) -> None:
    report = _report(_edited(tmp_path, rank1=edit))
    assert report.job is None
    assert report.comparison is not None


def test_one_rank_of_a_job_says_that_others_are_missing() -> None:
    job = _report(FILES[:1]).job
    assert (job.world_size, len(job.ranks), job.late) == (2, 1, [])
    assert [finding.id for finding in job.findings] == ["job.missing_ranks"]
    assert job.collectives[0].waiting_us is None


def test_the_screen_for_one_rank_is_that_of_any_trace(tmp_path: Path) -> None:
    shown = run("analyze", str(FILES[0]), "--format", "terminal", cwd=tmp_path).stdout
    assert "One of 2 ranks of a job. Who keeps it waiting" in shown
    assert "Takes     " in shown
    assert "Dominates " in shown
    together = run("analyze", *map(str, FILES), "--format", "terminal", cwd=tmp_path).stdout
    assert "What to fix first, whatever the other ranks do:\ntwo_ranks.rank0: " in together


def test_a_profile_that_began_later_is_matched_by_the_end(tmp_path: Path) -> None:
    traces = ranks.both()
    events = traces[1]["traceEvents"]
    first_end = next(event["ts"] + event["dur"] for event in events if event["name"].startswith("ncclDev"))
    traces[1]["traceEvents"] = [event for event in events if event["ts"] >= first_end]
    late = sdtrace.load_job(*ranks.write(tmp_path, traces)).report.late
    assert [(row.index, row.rank, row.by_us) for row in late] == [(1, 1, 19_385), (2, 0, 2_000)]


def test_comparing_ranks_says_that_they_are_of_one_job() -> None:
    with pytest.raises(DifferentWork, match="are ranks 0 and 1 of one job"):
        sdtrace.compare(*FILES)
    assert sdtrace.compare(*FILES, allow_different_work=True).differences


def test_the_same_rank_twice_cannot_be_a_job() -> None:
    with pytest.raises(UsageError, match="are both rank 0"):
        sdtrace.load_job(FILES[0], FILES[0])


def _merged(folder: Path, later_us: float = 0) -> list[Path]:
    """Both ranks in one file, without what tells their numbers; the second so much later."""
    traces = ranks.both()
    for rank, trace in enumerate(traces):
        for event in trace["traceEvents"]:
            event["pid"] = f"[TP0{rank}] {event['pid']}"
            event["ts"] += rank * (later_us - ranks.AHEAD_US)
    traces[0]["traceEvents"] += traces[1]["traceEvents"]
    del traces[0]["distributedInfo"]
    return ranks.write(folder, traces[:1])


def test_processes_that_work_one_after_the_other_are_no_ranks(tmp_path: Path) -> None:
    (trace,) = _merged(tmp_path, later_us=10_000_000)
    study = sdtrace.load(trace).study
    assert len(set(study.linked.work.process.tolist())) == 2
    assert len(ranks_of(study, load_rules(None))) == 1


def test_ranks_merged_into_one_file_are_a_job(tmp_path: Path) -> None:
    job = _report(_merged(tmp_path)).job
    assert [rank.rank for rank in job.ranks] == [0, 1]
    assert [(row.rank, row.by_us) for row in job.late] == [(0, 0), (1, 19_385), (0, 2_000)]


def test_without_a_group_kind_and_size_tell_groups_apart(tmp_path: Path) -> None:
    traces = ranks.both()
    for trace in traces:
        for event in trace["traceEvents"]:
            for key in [key for key in event["args"] if key.startswith("Process Group")]:
                del event["args"][key]
    for event in list(traces[0]["traceEvents"]):  # a second group, of which rank 1 is none
        if event["name"] in ("record_param_comms", "c10d::allreduce_"):
            again = {**event, "ts": event["ts"] - 0.5, "dur": 0.25, "args": dict(event["args"])}
            again["args"] |= {"External id": event["args"]["External id"] + 1000}
            if event["name"] == "record_param_comms":
                again["args"] |= {"In msg nelems": 8, "Out msg nelems": 8}
            traces[0]["traceEvents"].append(again)
    job = sdtrace.load_job(*ranks.write(tmp_path, traces)).report
    assert sorted((row.bytes, row.calls) for row in job.collectives) == [(32, 3), (4 * ranks.ELEMENTS, 3)]
    assert [(row.rank, row.by_us) for row in job.late] == [(0, 0), (1, 19_385), (0, 2_000)]


def test_the_user_may_say_that_traces_are_one_job(tmp_path: Path) -> None:
    other = {"distributedInfo": None, "baseTimeNanoseconds": 1_790_000_060_000_000_000}
    files = [str(path) for path in _edited(tmp_path, rank1=other)]
    apart = run("analyze", *files, "--format", "terminal", cwd=tmp_path)
    assert "Side by side" in apart.stdout
    together = run("analyze", *files, "--job", "--format", "terminal", cwd=tmp_path)
    assert together.returncode == 0, together.stderr
    assert together.stdout.startswith("One job, 2 ranks")
    assert "because you said so" in together.stdout


def test_every_medium_shows_the_job_and_no_variants(tmp_path: Path, job: sdtrace.JobAnalysis) -> None:
    for path in job.save(tmp_path):
        text = path.read_text(encoding="utf-8")
        assert "stands still" in text, path.name
        assert "Side by side" not in text, path.name
