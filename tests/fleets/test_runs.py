"""The same traces on a pool and on Dask; workers and runs that are killed; what is there already."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

import sdtrace
from sdtrace.api.fleet_store import Reading, read_into
from sdtrace.errors import OutputError, UsageError
from sdtrace.fleets.items import Item, Outcome, Task, decode_outcome, encode
from sdtrace.fleets.pool import Pool
from sdtrace.fleets.store import alone, make_store, open_store
from sdtrace.fleets.task import outcome_of
from tests.cli.command import run
from tests.fleets import made
from tests.fleets.stores import assert_same, rows


def test_every_trace_has_its_rows_once(written: made.Fleet, store: Path) -> None:
    found = rows(store)
    assert found["traces"]["source"].sort().to_list() == sorted(map(str, written.traces))
    assert found["traces"]["trace_id"].n_unique() == len(written.traces)
    one = sdtrace.load(written.traces[3])
    mine = {name: table.filter(trace=one.name) for name, table in found.items()}
    steady = one.at(phase="steady")
    assert mine["kernels"]["total_us"].sum() == pytest.approx(steady.kernels["total_us"].sum())
    assert mine["ops"].height == steady.ops.height
    assert mine["components"]["gpu_us"].sum() == pytest.approx(steady.components["gpu_us"].sum())
    assert mine["iterations"]["wall_us"].to_list() == one.iterations["wall_us"].to_list()
    assert sorted(mine["findings"]["id"]) == sorted(one.findings["id"])
    assert one.report.steady is not None
    assert mine["traces"]["steady_us"].to_list() == [one.report.steady.median_us]


def test_what_cannot_be_read_is_told_and_costs_nothing_else(written: made.Fleet, store: Path) -> None:
    failures = open_store(store).failures()
    assert sorted(failures["source"]) == sorted(map(str, written.broken))
    assert set(failures["status"]) == {"unreadable"}
    assert all(failures["reason"].str.len_chars() > 10)


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs sdtrace[cluster]")
def test_dask_gives_the_same_rows(folder: Path, store: Path, tmp_path: Path) -> None:
    program = (
        "import sys, sdtrace\n"
        "if __name__ == '__main__':\n"
        "    sdtrace.fleet(sys.argv[1], store=sys.argv[2], scheduler='local', workers=2)\n"
    )
    (tmp_path / "program.py").write_text(program)
    called = [sys.executable, "program.py", str(folder), "dask"]
    subprocess.run(called, cwd=tmp_path, check=True, timeout=120)
    assert_same(tmp_path / "dask", store)


def test_a_killed_run_goes_on_where_it_was(folder: Path, store: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdtrace", "fleet", str(folder), "-o", "store", "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path)
    spool = tmp_path / "store" / "spool"
    while len([*spool.glob("*.msgpack")]) < 7:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = len([*spool.glob("*.msgpack")])
    assert not (tmp_path / "store" / "log").is_dir()
    seen: list[Outcome] = []
    filled = read_into([str(folder)], tmp_path / "store", Reading(resume=True), progress=seen.append)
    assert len(seen) == 42 - kept
    assert filled.counts == {"done": 40, "unreadable": 2, "known": 0}
    assert_same(tmp_path / "store", store)


def test_a_killed_worker_costs_its_task_alone(written: made.Fleet) -> None:
    pool = Pool(2)
    outcomes = []
    for packed in pool.run(Task(Item(str(path))) for path in written.traces[:12]):
        outcomes.append(decode_outcome(packed))
        if len(outcomes) in (2, 6):
            os.kill(pool.workers[0].pid, signal.SIGKILL)
    assert sorted(outcome.item.source for outcome in outcomes) == sorted(map(str, written.traces[:12]))
    assert {outcome.status for outcome in outcomes} == {"done"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_task_that_ends_its_worker_twice_is_lost_and_the_others_go_on(
    written: made.Fleet, tmp_path: Path
) -> None:
    stuck = tmp_path / "stuck.json"
    os.mkfifo(stuck)  # whoever opens it waits
    pool = Pool(1)

    def kill_two() -> None:
        killed: set[int] = set()
        while len(killed) < 2:
            for worker in list(pool.workers):
                if worker.pid not in killed:
                    killed.add(worker.pid)
                    os.kill(worker.pid, signal.SIGKILL)
            time.sleep(0.01)

    killer = threading.Thread(target=kill_two)
    killer.start()
    tasks = [Task(Item(str(path))) for path in (stuck, *written.traces[:2])]
    found = [decode_outcome(packed) for packed in pool.run(tasks)]
    killer.join()
    assert [outcome.status for outcome in found] == ["lost", "done", "done"]
    assert "its process ended" in found[0].reason


def test_nothing_is_read_or_kept_twice(written: made.Fleet, tmp_path: Path) -> None:
    shutil.copy(written.traces[0], tmp_path / "a.json.gz")
    shutil.copy(written.traces[0], tmp_path / "the_same.json.gz")
    first = run("fleet", tmp_path, "-o", tmp_path / "store", "--workers", "1", cwd=tmp_path)
    assert "1 added, 1 the same as another" in first.stdout
    again = run("fleet", tmp_path, "-o", tmp_path / "store", "--resume", "--workers", "1", cwd=tmp_path)
    assert "0 added, 2 there before" in again.stdout
    shutil.copy(written.traces[1], tmp_path / "a.json.gz")
    changed = run("fleet", tmp_path, "-o", tmp_path / "store", "--resume", "--workers", "1", cwd=tmp_path)
    assert "1 added, 1 there before" in changed.stdout


def _outcomes(written: made.Fleet, number: int) -> list[Outcome]:
    return [outcome_of(Task(Item(str(path)))) for path in written.traces[:number]]


def test_a_batch_counts_only_once_it_is_logged(written: made.Fleet, tmp_path: Path) -> None:
    one, two = _outcomes(written, 2)
    store = make_store(tmp_path / "store", None)
    store.spool(encode(one))
    store.commit(store.digests())
    # Killed after the files were written, before they were logged; and before the spool was emptied.
    (path,) = (tmp_path / "store" / "traces").glob("*/*.parquet")
    shutil.copy(path, path.with_name("stray.parquet"))
    store.spool(encode(one))
    store.spool(encode(two))
    store = open_store(tmp_path / "store")
    store.remove_strays()
    assert not path.with_name("stray.parquet").exists()
    assert sorted(entry.status for entry in store.commit(store.digests())) == ["done", "duplicate"]
    assert open_store(tmp_path / "store").scan("traces").collect().height == 2


def test_small_files_become_one_with_the_same_rows(written: made.Fleet, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", "card")
    for outcome in _outcomes(written, 8):
        store.spool(encode(outcome))
        store.commit(store.digests())
    before = rows(tmp_path / "store")
    assert len([*(tmp_path / "store").glob("traces/*/*.parquet")]) == 8
    store.merge()
    assert len([*(tmp_path / "store").glob("traces/card=NVIDIA A100-SXM4-80GB/*.parquet")]) == 1
    assert all(rows(tmp_path / "store")[table].equals(frame) for table, frame in before.items())


def test_older_rows_lack_newer_columns(written: made.Fleet, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", None)
    for outcome in _outcomes(written, 2):
        store.spool(encode(outcome))
        store.commit(store.digests())
    older, _ = [tmp_path / "store" / name for name in store.log.files if name.startswith("traces/")]
    pl.read_parquet(older).drop("verdict").write_parquet(older)
    assert open_store(tmp_path / "store").scan("traces").collect()["verdict"].null_count() == 1


def test_a_store_is_written_by_one_process(folder: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "store", None)
    with alone(tmp_path / "store"):
        done = run("fleet", folder, "-o", "store", cwd=tmp_path)
    assert done.returncode == 2
    assert "another process is writing this store" in done.stderr


def test_a_store_is_told_from_other_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store of traces"):
        sdtrace.fleet(store=tmp_path)
    (tmp_path / "other.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        make_store(tmp_path, None)
    make_store(tmp_path / "store", "host")
    with pytest.raises(UsageError, match="divided by host, not by day"):
        make_store(tmp_path / "store", "day")
    (tmp_path / "store" / "store.toml").write_text('schema = "sdtrace.fleet/99"\n')
    with pytest.raises(UsageError, match=r"its schema is sdtrace\.fleet/99"):
        open_store(tmp_path / "store")
