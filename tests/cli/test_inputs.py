"""Files, folders, patterns, packings and standard input; terminals of all kinds."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from sdtrace.cli import doctor_device
from sdtrace.cli.doctor_device import Probe
from tests.cli.command import ANY_WORK, COLD, EAGER, GRAPHS, MINIMAL, READING, run


@pytest.mark.parametrize("command", ["table", "query", "analyze"])
def test_standard_input_says_the_same_as_the_file(command: str, tmp_path: Path) -> None:
    packed = gzip.compress(MINIMAL.encode())
    (tmp_path / "stdin.json.gz").write_bytes(packed)
    (tmp_path / "stdin.json").write_text(MINIMAL)
    arguments = READING[command]
    answers = [
        run(command, "-", *arguments, cwd=tmp_path, stdin=MINIMAL),
        run(command, "stdin.json", *arguments, cwd=tmp_path),
        run(command, "stdin.json.gz", *arguments, cwd=tmp_path),
    ]
    assert [done.returncode for done in answers] == [0, 0, 0]
    assert len({done.stdout for done in answers}) == 1
    assert len(answers[0].stdout) > 20


def test_folders_and_patterns_that_no_shell_expanded(tmp_path: Path) -> None:
    folder = tmp_path / "some traces"
    folder.mkdir()
    for name in ("b.json", "a.json"):
        (folder / name).write_text(MINIMAL)
    shutil.copy(COLD, folder / "c.json.gz")
    (folder / "c.keyavg.json.gz").write_bytes(gzip.compress(b"[]"))
    for typed in (["some traces"], ["some traces/*.json", "some traces/c.json.gz"], ["some traces/?.json*"]):
        done = run("analyze", *typed, "--format", "json", "--force", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        report = json.loads((tmp_path / "report" / "report.json").read_text())
        assert [trace["name"] for trace in report["traces"]] == ["a", "b", "c"]


@pytest.mark.parametrize("command", READING)
def test_a_name_that_is_no_text(command: str, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \x1b[31m.json")
    (tmp_path / name).write_text(MINIMAL)
    (tmp_path / "out").mkdir()
    done = run(command, name, *READING[command], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_commands_in_findings_name_files_whose_names_are_no_text(tmp_path: Path) -> None:
    field = Path(__file__).parents[1] / "field"
    for rank in (0, 1):
        name = os.fsdecode(b"\xff.rank%d.json" % rank)
        shutil.copy(field / f"two_ranks.rank{rank}.json", tmp_path / name)
    done = run("analyze", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert len(told["job"]["ranks"]) == 2
    assert r"\udcff.rank0.json" in told["traces"][0]["findings"][0]["verify"]


def test_a_comparison_of_files_whose_names_are_no_text(tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9.json"), os.fsdecode(b"\xff.json")]
    for name in names:
        (tmp_path / name).write_text(MINIMAL)
    done = run("compare", ANY_WORK, *names, "--format", "md,json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "report" / "compare.json").read_text())
    assert told["base"] == r"caf\udce9"
    assert r"\udcff" in (tmp_path / "report" / "compare.md").read_text()


@pytest.mark.parametrize("command", READING)
def test_names_cannot_act_on_the_terminal(command: str, tmp_path: Path) -> None:
    hostile = MINIMAL.replace("aten::add", r"\u001b[31mred\u202e\u0007")
    (tmp_path / "hostile.json").write_text(hostile)
    arguments = ["SELECT name FROM events"] if command == "query" else READING[command]
    done = run(command, "hostile.json", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for acting in "\x1b\x07\u202e":
        assert acting not in done.stdout
        assert acting not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", ["analyze", "table", "query", "compare", "doctor"])
def test_a_terminal_of_few_letters(
    command: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_device, "probe_torch", lambda: Probe({}, "", "名前 µ"))
    arguments: list[str | Path] = []
    if command != "doctor":
        (tmp_path / "名.json").write_text(MINIMAL.replace("aten::add", "名前 µ"))
        query = ["SELECT name FROM events"]
        arguments = ["名.json", *(query if command == "query" else READING[command])]
    done = run(command, *arguments, cwd=tmp_path, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", ["analyze", "compare"])
def test_80_columns_and_no_colours_in_a_pipe(command: str, tmp_path: Path) -> None:
    for environment in ({}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        before = [ANY_WORK] if command == "compare" else []
        asked = [*before, str(EAGER), str(GRAPHS), "--format", "terminal"]
        done = run(command, *asked, cwd=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        assert "\x1b[3" not in done.stdout
        assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", done.stdout).splitlines())) <= 80
        assert done.stderr == ""


def test_analyze_writes_what_was_asked_for(tmp_path: Path) -> None:
    done = run("analyze", EAGER, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".sdtrace-files",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert done.stderr == "Wrote out/report.html, out/report.md, out/report.json\n"
    assert "h200-fp32_eager" in done.stdout


def test_a_phase_limits_the_table(tmp_path: Path) -> None:
    whole = run("table", COLD, "--row-limit", "-1", cwd=tmp_path)
    steady = run("table", COLD, "--row-limit", "-1", "--phase", "steady", cwd=tmp_path)
    assert whole.returncode == steady.returncode == 0
    assert "dynamo_timed" in whole.stdout
    assert "dynamo_timed" not in steady.stdout
    assert "aten::" in steady.stdout


def test_query_prints_rows_or_csv(tmp_path: Path) -> None:
    sql = "SELECT category, count(*) AS n FROM events GROUP BY category ORDER BY n DESC"
    csv = run("query", EAGER, sql, "--format", "csv", cwd=tmp_path).stdout.splitlines()
    events = json.loads(EAGER.read_text())["traceEvents"]
    kernels = sum(event.get("cat") == "kernel" for event in events)
    assert csv[0] == "category,n"
    assert f"kernel,{kernels}" in csv
    shown = run("query", EAGER, sql, "--rows", "2", cwd=tmp_path)
    assert "cpu_op" in shown.stdout
    assert shown.stderr == f"{len(csv) - 3} more rows: --rows N, or --format csv for all\n"
