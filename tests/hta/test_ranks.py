"""HTA of the ranks of a job: each rank as by itself, on one clock; as HTA's own loader has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sdtrace
from tests.cli.command import run
from tests.job import ranks
from tests.shared import shared_trace

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
TIMES = ["ts", "end"]


def _written(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: int) -> list[Path]:
    """Two ranks with other lengths; with profiler steps, and NCCL's names of old, which HTA knows."""
    for name, value in changes.items():
        monkeypatch.setattr(ranks, name, value)
    traces = ranks.both()
    for rank, trace in enumerate(traces):
        events = trace["traceEvents"]
        begun = [event["ts"] for event in events if event["name"] == "aten::mm"][::10]
        ends = [*begun[1:], max(event["ts"] + event["dur"] for event in events)]
        for step, (start, end) in enumerate(zip(begun, ends, strict=True)):
            about = {"pid": 100 + rank, "tid": 100 + rank, "args": {"External id": 9000 + step}}
            name = f"ProfilerStep#{step + 1}"
            events.append(
                {"ph": "X", "cat": "user_annotation", "name": name, "ts": start, "dur": end - start, **about}
            )
        for event in events:
            event["name"] = event["name"].replace("ncclDevKernel", "ncclKernel")
    return ranks.write(folder, traces)


def _job(paths: list[Path]) -> Any:
    return sdtrace.load_job(*paths).hta()


def test_each_rank_is_as_by_itself_on_one_clock() -> None:
    paths = [ranks.FIELD / f"two_ranks.rank{rank}.json" for rank in (0, 1)]
    job = _job(paths)
    assert sorted(job.t.traces) == [0, 1]
    texts = job.t.symbol_table.get_sym_table()
    for rank, path in enumerate(paths):
        ours, alone = job.nanoseconds.get_trace(rank), sdtrace.load(path).hta()
        theirs = alone.nanoseconds.get_trace(0)
        names = alone.t.symbol_table.get_sym_table()
        assert [texts[number] for number in ours["name"]] == [names[number] for number in theirs["name"]]
        rest = [name for name in ours if name not in (*TIMES, "name", "cat")]
        assert ours[rest].equals(theirs[rest])
    ends = [_ends(job, rank) for rank in (0, 1)]
    assert len(ends[0]) == ranks.STEPS
    assert ends[0] == ends[1]  # all leave a collective together


def _ends(job: Any, rank: int) -> list[int]:
    """When each collective ends on a rank."""
    texts, frame = job.t.symbol_table.get_sym_table(), job.nanoseconds.get_trace(rank)
    talks = [number for number, text in enumerate(texts) if text.startswith("ncclDevKernel")]
    found: list[int] = frame[frame["name"].isin(talks)]["end"].tolist()
    return found


def test_clocks_agree_where_a_profile_began_later(tmp_path: Path) -> None:
    traces = ranks.both()
    events = traces[1]["traceEvents"]
    first_end = next(event["ts"] + event["dur"] for event in events if event["name"].startswith("ncclDev"))
    traces[1]["traceEvents"] = [event for event in events if event["ts"] >= first_end]
    job = _job(ranks.write(tmp_path, traces))
    assert _ends(job, 1) == _ends(job, 0)[1:]


def test_the_analyses_are_those_of_htas_own_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hta.trace_analysis import TraceAnalysis  # noqa: PLC0415  # needs HTA

    paths = _written(tmp_path, monkeypatch, AHEAD_US=0, MORE_WORK_US=0)
    files = {rank: str(path) for rank, path in enumerate(paths)}
    plain = TraceAnalysis(trace_files=files, trace_dir="/", include_last_profiler_step=True)
    job = _job(paths)
    for method in ("get_temporal_breakdown", "get_comm_comp_overlap"):
        ours, theirs = (getattr(one, method)(visualize=False) for one in (job, plain))
        for column in theirs:
            assert ours[column].tolist() == pytest.approx(theirs[column].tolist()), column
    assert job.get_profiler_steps() == plain.get_profiler_steps() == [1, 2, 3]
    late = [one.get_potential_stragglers(num_candidates=1) for one in (job, plain)]
    assert late == [[1], [1]]  # at the same time as rank 0 in two steps, and late in one


@pytest.mark.parametrize(("late", "changes"), [(1, {"MORE_WORK_US": 0}), (0, {"SLEEP_US": 0})])
def test_stragglers_need_neither_old_names_nor_profiler_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int, changes: dict[str, int]
) -> None:
    for name, value in changes.items():
        monkeypatch.setattr(ranks, name, value)
    job = _job(ranks.write(tmp_path, ranks.both()))
    assert job.get_potential_stragglers() == [late]


def test_the_command_shows_all_ranks(tmp_path: Path) -> None:
    paths = [ranks.FIELD / f"two_ranks.rank{rank}.json" for rank in (0, 1)]
    done = run("hta", *paths, "--job", "--only", "temporal,overlap,stragglers", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows if len(row) == 7 and row[0] in "01"] == ["0", "1"]
    assert "Late ranks" in done.stdout


def test_the_times_of_real_ranks_are_those_of_the_job() -> None:
    paths = [shared_trace(f"wild/cfg_parallel.rank{rank}.json.gz") for rank in (0, 1)]
    job = sdtrace.load_job(*paths)
    kinds, _ = job.hta().get_gpu_kernel_breakdown(visualize=False)
    talks = kinds[kinds["kernel_type"] == "COMMUNICATION"]["sum"].sum()
    assert talks == pytest.approx(sum(rank.communication_us for rank in job.report.ranks))
    found = job.hta().get_temporal_breakdown(visualize=False)
    busy = found["kernel_time(us)"] - found["idle_time(us)"]
    assert busy.tolist() == pytest.approx([rank.busy_us for rank in job.report.ranks])
