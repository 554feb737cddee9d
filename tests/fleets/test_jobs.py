"""Jobs in a store are those that the ranks alone make, whenever their files come and whatever is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

import sdtrace
from sdtrace.fleets.items import Item, Task, encode
from sdtrace.fleets.run import fill
from sdtrace.fleets.sources import resolve
from sdtrace.fleets.store import make_store, open_store
from sdtrace.fleets.task import run_task
from tests.cli.command import run
from tests.fleets import made
from tests.fleets.stores import assert_same
from tests.job import ranks
from tests.job.test_pairs import GLOO

_BEGAN_NS = 1_790_000_000_000_000_000
_HOUR_NS = 3_600_000_000_000


def write(
    folder: Path, name: str, hour: float = 0, hosts: Sequence[str] = ("gpu1", "gpu2"), swapped: bool = False
) -> list[Path]:
    """A job of two ranks; rank 1 is late, with `swapped` rank 0. RANK in `name` is replaced."""
    paths = []
    for rank, trace in enumerate(ranks.both()):
        number = 1 - rank if swapped else rank
        trace["distributedInfo"]["rank"] = number
        for event in trace["traceEvents"]:
            if "Rank" in event["args"]:
                event["args"]["Rank"] = number
        trace |= {"baseTimeNanoseconds": _BEGAN_NS + round(hour * _HOUR_NS), "host": hosts[number]}
        path = folder / name.replace("RANK", str(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(trace))
        paths.append(path)
    return sorted(paths)


class _Here:
    """Runs tasks in this process: starting one takes longer than they do."""

    def run(self, tasks: Iterable[Task]) -> Iterator[bytes]:
        return (run_task(encode(task)) for task in tasks)


def jobs_in(folder: Path, store: Path, resume: bool = False, **facts: str) -> pl.DataFrame:
    found = resolve([str(folder)])
    fill(make_store(store, None), found, lambda _: _Here(), lambda item: Task(item, facts), resume=resume)
    return sdtrace.fleet(store=store).query("SELECT * FROM jobs ORDER BY at, trace")


def test_jobs_are_those_that_their_ranks_make(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    written = [write(folder, "a.rankRANK.json"), write(folder, "b.rankRANK.json", 0.0001, swapped=True)]
    found = jobs_in(folder, tmp_path / "store")
    assert found["trace"].to_list() == ["a.rank0", "b.rank0"]  # at the same time, with equal process groups
    members = open_store(tmp_path / "store").scan("job_ranks").collect()
    for row, paths in zip(found.iter_rows(named=True), written, strict=True):
        job = sdtrace.load_job(*paths)
        late = job.late.sort("alone_us").row(-1, named=True)
        assert (row["ranks"], row["world_size"], row["hosts"]) == (2, 2, 2)
        assert row["verdict"] == job.report.verdict
        assert (row["late_rank"], row["late_doing"]) == (late["rank"], late["doing"])
        assert row["late_us"] == job.ranks["late_us"].max()
        assert row["exposed_us"] == job.ranks["exposed_us"].mean()
        mine = members.filter(job_id=row["job_id"]).sort("rank")
        assert mine["late_us"].to_list() == job.ranks["late_us"].to_list()
        assert mine["trace"].to_list() == [path.stem for path in paths]
    assert found["late_rank"].to_list() == [1, 0]
    assert found["late_host"].to_list() == ["gpu2", "gpu1"]


@pytest.mark.parametrize(
    "name",
    [
        "jobJOB/rankRANK/trace.json",
        "jobJOB/hostRANK_77.179000000000RANK.pt.trace.json",
        "runJOB/dp-RANK.json",
    ],
)
def test_ranks_are_found_by_folder_name_and_time(tmp_path: Path, name: str) -> None:
    for number in range(2):
        write(tmp_path / "traces", name.replace("JOB", str(number)), number / 10_000)
    found = jobs_in(tmp_path / "traces", tmp_path / "store")
    assert found["ranks"].to_list() == [2, 2]


def test_runs_one_after_the_other_under_one_name_are_jobs_of_their_own(tmp_path: Path) -> None:
    for hour in range(3):
        write(tmp_path / "traces", f"hostRANK_{hour}.179000000000{hour}.pt.trace.json", hour)
    assert jobs_in(tmp_path / "traces", tmp_path / "store")["ranks"].to_list() == [2, 2, 2]


def test_a_fact_tells_the_job_where_folders_do_not(tmp_path: Path) -> None:
    for rank, path in enumerate(write(tmp_path / "made", "RANK.json")):
        (tmp_path / "traces" / f"node{rank}").mkdir(parents=True)
        path.rename(tmp_path / "traces" / f"node{rank}" / f"{'ab'[rank]}.json")
    assert jobs_in(tmp_path / "traces", tmp_path / "apart")["ranks"].to_list() == [1, 1]
    found = jobs_in(tmp_path / "traces", tmp_path / "one", job="7")
    assert found.select("ranks", "job").rows() == [(2, "7")]


def test_a_broken_rank_joins_its_job_once_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    write(folder, "a.rankRANK.json")
    _, broken = write(folder, "b.rankRANK.json", 1)
    whole = broken.read_text()
    broken.write_text(whole[: len(whole) // 400])
    first = jobs_in(folder, tmp_path / "store")
    assert first["ranks"].to_list() == [2, 1]
    assert "One of 2 ranks of a job" in first["verdict"][1]
    assert first["late_rank"].to_list() == [1, None]
    broken.write_text(whole)
    second = jobs_in(folder, tmp_path / "store", resume=True)
    assert second["ranks"].to_list() == [2, 2]
    assert second["job_id"][0] == first["job_id"][0]
    jobs_in(folder, tmp_path / "fresh")
    assert_same(tmp_path / "store", tmp_path / "fresh")


def test_a_rank_alone_does_not_take_that_of_a_job_beside_it(tmp_path: Path) -> None:
    _, broken = write(tmp_path / "traces", "a.rankRANK.json")
    write(tmp_path / "traces", "b.rankRANK.json", 0.0001)  # at the same time, with an equal process group
    broken.unlink()
    found = jobs_in(tmp_path / "traces", tmp_path / "store")
    assert found.select("trace", "ranks").rows() == [("a.rank0", 1), ("b.rank0", 2)]


def test_ranks_that_a_killed_run_left_become_jobs(tmp_path: Path) -> None:
    paths = write(tmp_path / "traces", "a.rankRANK.json")
    store = make_store(tmp_path / "store", None)
    for path in paths:
        store.spool(run_task(encode(Task(Item(str(path))))))
    store.commit(store.digests())  # and then it was killed
    assert sdtrace.fleet(store=tmp_path / "store").query("SELECT * FROM jobs").height == 0
    assert jobs_in(tmp_path / "traces", tmp_path / "store", resume=True)["ranks"].to_list() == [2]


def test_ranks_of_another_version_keep_the_job_that_it_made(tmp_path: Path) -> None:
    write(tmp_path / "traces", "a.rankRANK.json")
    before = jobs_in(tmp_path / "traces", tmp_path / "store")
    for path in (tmp_path / "store" / "ranks").glob("*/*.parquet"):
        pl.read_parquet(path).with_columns(packed=pl.lit(b"another")).write_parquet(path)
    write(tmp_path / "traces", "b.rankRANK.json", 0.0001)  # in the same folder, at the same time
    after = jobs_in(tmp_path / "traces", tmp_path / "store", resume=True)
    assert after["trace"].to_list() == ["a.rank0", "b.rank0"]
    assert after["job_id"][0] == before["job_id"][0]


def test_the_host_is_the_one_that_torch_writes(tmp_path: Path) -> None:
    for path in GLOO:
        shutil.copy(path, tmp_path)
    (job,) = jobs_in(tmp_path, tmp_path / "store").iter_rows(named=True)
    assert (job["ranks"], job["hosts"], job["late_rank"], job["late_host"]) == (3, 1, 1, "vm")


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    paths = write(tmp_path / "traces", "a.rankRANK.json")
    before = jobs_in(tmp_path / "traces", tmp_path / "store")
    files = sorted((tmp_path / "store").glob("job*/*/*"))
    shutil.copy(paths[0], tmp_path / "traces" / "again.rank0.json")
    assert jobs_in(tmp_path / "traces", tmp_path / "store", resume=True).equals(before)
    assert sorted((tmp_path / "store").glob("job*/*/*")) == files


def test_traces_of_one_process_are_no_jobs(tmp_path: Path) -> None:
    found = jobs_in(made.TINY[0], tmp_path / "store")
    assert found.height == 0
    assert "late_rank" in found.columns


def test_the_report_names_the_host_that_others_wait_for(tmp_path: Path) -> None:
    for hour in range(4):
        hosts = ("gpu9", f"gpu{hour}") if hour % 2 else (f"gpu{hour}", "gpu9")
        write(tmp_path / "traces", f"{hour}.rankRANK.json", hour, hosts, swapped=hour % 2 == 1)
    fleet = sdtrace.fleet(tmp_path / "traces", store=tmp_path / "store", workers=1)
    report = fleet.report()
    worst = report.late_hosts[0]
    assert (worst.host, worst.jobs) == ("gpu9", 4)
    assert worst.late_us == pytest.approx(4 * fleet.query("SELECT max(late_us) AS us FROM jobs")["us"][0])
    assert [job.late_host for job in report.jobs] == ["gpu9"] * 4
    assert "Ranks wait longest in the job of 0.rank0: for rank 1 on gpu9" in report.summary
    done = run("fleet", "report", tmp_path / "store", "-o", tmp_path / "report", cwd=tmp_path)
    assert done.returncode == 0
    text = (tmp_path / "report" / "fleet.md").read_text(encoding="utf-8")
    assert "## Hosts that other hosts wait for" in text
    assert "| `0.rank0` | 2026-09-21 | 2 |" in text
