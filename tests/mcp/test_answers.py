"""What the tools answer about shipped traces: true, small, and one sentence where it goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sdtrace.errors import SdtraceError
from sdtrace.mcp.findings import rows
from sdtrace.mcp.store import Store
from sdtrace.mcp.text import CHARS_PER_TOKEN, cell, fit
from sdtrace.mcp.tools import NAMES, Tools
from tests.cli.command import COLD, EAGER, GRAPHS
from tests.loaded import analysis_of

MOST = 2_000
"""Tokens of an answer, unless more are asked for."""
TRACES = (EAGER, GRAPHS, COLD)


def tokens(answer: str) -> float:
    return len(fit(answer)) / CHARS_PER_TOKEN


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name)
def test_every_answer_is_small(path: Path, tools: Tools) -> None:
    trace = str(path)
    one = tools._store.get(trace)
    ids = [found.id for found in one.report.findings]
    answers = [tools.verdict(trace), tools.findings(trace), tools.tables(), tools.traces(str(path.parent))]
    answers += [tools.finding(trace, each) for each in ids]
    answers += [tools.verify(trace, each) for each in ids]
    answers += [tools.verify(trace, each, str(EAGER), allow_different_work=True) for each in ids]
    answers += [tools.compare(str(EAGER), [trace], allow_different_work=True)]
    answers += [tools.query(trace, "SELECT * FROM kernels", limit=9_999, whole=True)]
    assert max(map(tokens, answers)) < MOST
    assert tokens(answers[0]) < MOST / 4


def test_a_verdict_says_what_ran_and_what_to_do(tools: Tools) -> None:
    said = tools.verdict(str(COLD))
    assert "The tiny test model, 64x64, 2 steps, bfloat16 on NVIDIA H200, torch 2.11.0+cu130" in said
    assert "Overhead: 10.6 s of one-time cost, as profiled: compile 8.97 s" in said
    assert "Takes: 33.6 ms per steady image without profiler" in said
    assert "1. host.launch_bound [high, likely]" in said
    assert "GPU idle in steady state, of its time as profiled: waiting for launch 92.7 %" in said


def test_findings_can_be_limited_to_the_severe(tools: Tools) -> None:
    listed = [line for line in tools.findings(str(COLD), "medium").splitlines() if line[:2] == "- "]
    assert [line.split()[1] for line in listed] == ["host.launch_bound", "overhead.once", "overhead.autotune"]
    assert "33.6 ms → 10.0 ms (6.64 to 14.9 ms)" in listed[0]


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name)
def test_the_rows_of_every_finding_are_found(path: Path, tools: Tools) -> None:
    report = tools._store.get(str(path)).report
    for found in report.findings:
        for row in found.evidence_rows:
            assert [*rows(report, row)], (found.id, row)


def test_a_finding_shows_the_values_of_its_rows(tools: Tools) -> None:
    said = tools.finding(str(COLD), "host.launch_bound")
    (idle,) = [row for row in analysis_of(COLD).report.idle if row.cause == "launch_bound"]
    assert f"- idle: cause launch_bound, us {cell(idle.us)}, gaps {idle.gaps}" in said
    assert "sdtrace collect --variant bf16_sdpa_cudagraphs" in said


def test_verify_asks_the_trace_again(tools: Tools) -> None:
    said = tools.verify(str(COLD), "overhead.autotune")
    count = analysis_of(COLD).query("SELECT count(*) AS n FROM launches WHERE phase = 'autotune'")["n"][0]
    rows_shown = [line.split(" | ") for line in said.splitlines() if " | " in line]
    assert rows_shown[0] == ["category", "calls", "ms"]
    assert sum(int(row[1]) for row in rows_shown[1:]) == count


def test_verify_says_what_to_run_where_a_new_trace_is_needed(tools: Tools) -> None:
    said = tools.verify(str(EAGER), "device.float32")
    assert "run this in a shell: sdtrace collect --variant bf16_sdpa --model tiny" in said
    assert "after='traces/bf16_sdpa.json'" in said


def test_a_change_that_helped_is_told_from_one_that_did_not(tools: Tools) -> None:
    helped = tools.verify(str(EAGER), "host.launch_bound", str(GRAPHS), allow_different_work=True)
    assert "Verdict: came true" in helped
    same = tools.verify(str(EAGER), "host.launch_bound", str(EAGER))
    assert "Verdict: did not come true. No change beyond the spread" in same
    assert "The finding is still there, now high" in same


def test_comparing_names_what_moved(tools: Tools) -> None:
    said = tools.compare(str(EAGER), [str(GRAPHS)], allow_different_work=True)
    assert "h200-bf16_sdpa_cudagraphs against h200-fp32_eager" in said
    assert "GPU work that moved most, in a steady one, by category:" in said


def test_a_query_says_how_many_rows_there_are(tools: Tools) -> None:
    said = tools.query(str(EAGER), "SELECT name, dur_ns FROM events", limit=2).splitlines()
    events = analysis_of(EAGER).events
    assert said[0] == f"{events.height:,} rows, the first 2"
    assert len(said) == 4
    everything = tools.query(str(EAGER), "SELECT * FROM phases")
    assert everything.splitlines()[1] == "phase | wall_us | gpu_us | gpu_events"


def test_a_table_says_what_its_columns_mean(tools: Tools) -> None:
    assert "dur_ns: ns. Duration." in tools.tables("events")
    assert all(f"\n{name}: " in f"\n{tools.tables()}" for name in ("events", "kernels", "compile_stages"))


def test_a_folder_is_listed_with_the_newest_first(tools: Tools, two_traces: Path) -> None:
    first, *listed = tools.traces(str(two_traces)).splitlines()
    assert first == "trace | size | changed"
    assert [Path(line.split(" | ")[0]).name for line in listed] == ["second.json", "first.json"]


WRONG: dict[str, tuple[Callable[[Tools], str], str]] = {
    "finding": (lambda t: t.finding(str(COLD), "layout"), "did you mean 'device.layout'?"),
    "severity": (lambda t: t.findings(str(COLD), "hihg"), "did you mean 'high'?"),  # type: ignore[arg-type]
    "table": (lambda t: t.tables("kernel"), "did you mean 'kernels'?"),
    "sql": (lambda t: t.query(str(COLD), "SELECT nam FROM kernels"), "kernels has trace, name"),
    "other file": (lambda t: t.query(str(COLD), "SELECT * FROM read_csv('x')"), "reads only the trace"),
    "work": (lambda t: t.compare(str(EAGER), [str(GRAPHS)]), "set allow_different_work=true"),
    "after": (
        lambda t: t.verify(str(EAGER), "host.launch_bound", str(GRAPHS)),
        "set allow_different_work=true",
    ),
    "nothing to compare": (lambda t: t.compare(str(EAGER), []), "at least one candidate"),
    "missing": (lambda t: t.verdict("nowhere.json"), "no such file or folder"),
    "standard input": (lambda t: t.verdict("-"), "is not an ordinary file"),
    "device": (lambda t: t.verdict(os.devnull), "is not an ordinary file"),
    "empty path": (lambda t: t.verdict(" "), "give the path of a trace"),
    "no trace": (lambda t: t.verdict(__file__), "is not JSON"),
    "folder": (lambda t: t.verdict(str(COLD.parent)), "is 5 traces; name one of them"),
    "empty folder": (lambda t: t.traces(str(Path(__file__).parent)), "no traces in this folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_goes_wrong_is_one_sentence(case: str, tools: Tools) -> None:
    ask, expected = WRONG[case]
    with pytest.raises(SdtraceError) as raised:
        ask(tools)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_trace_is_read_once_until_it_changes(two_traces: Path) -> None:
    store, path = Store(1), two_traces / "first.json"
    one = store.get(str(path))
    assert store.get(str(path)) is one
    os.utime(path, (7, 7))
    changed = store.get(str(path))
    assert changed is not one
    store.get(str(two_traces / "second.json"))
    assert store.get(str(path)) is not changed


def test_a_cache_that_cannot_be_written_is_done_without(
    two_traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (two_traces / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(two_traces / "file"))
    assert Store(1).get(str(two_traces / "first.json")).name == "first"


def test_long_answers_are_cut_at_a_line() -> None:
    cut = fit("\n".join(f"line {number}" for number in range(1_000)), 100)
    assert len(cut) <= 100 * CHARS_PER_TOKEN
    assert "line 30\n" in cut
    assert cut.endswith("more: ask for less, or set max_tokens)")


def test_every_tool_has_a_name_and_says_when_to_use_it() -> None:
    public = {name for name in vars(Tools) if not name.startswith("_")}
    assert set(NAMES) == public
    assert all(vars(Tools)[name].__doc__ for name in NAMES)
