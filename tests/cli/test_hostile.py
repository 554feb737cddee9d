"""What a process may meet: odd sizes, signals, hostile names, its own faults."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sdtrace.api import sql
from sdtrace.cli import commands
from sdtrace.cli.environment import Terminated
from sdtrace.cli.failures import report
from sdtrace.cli.inputs import read_each
from sdtrace.errors import UsageError
from tests.cli.command import (
    ANY_WORK,
    COLD,
    EAGER,
    ENTRY_POINT,
    GRAPHS,
    MINIMAL,
    READING,
    complaint,
    run,
    run_process,
    shell_line,
    start_fork,
)

ESCAPE = "\x1b[31m"
INSTANT = {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 1, "ts": 1.0, "dur": 5.0}


@pytest.mark.parametrize("size", ["", "-5", "²", "9" * 5000, "19"])
def test_sizes_that_no_table_fits_are_ignored(size: str, tmp_path: Path) -> None:
    done = run("table", EAGER, cwd=tmp_path, environment={"COLUMNS": size, "LINES": size})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_width_of_0_is_no_width(tmp_path: Path) -> None:
    for words in (
        ["analyze", EAGER, "--format", "terminal"],
        ["compare", ANY_WORK, EAGER, GRAPHS],
        ["query", EAGER, "SELECT name FROM events LIMIT 1"],
        ["variants"],
    ):
        done = run(*words, cwd=tmp_path, environment={"COLUMNS": "0"})
        assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_of_three_columns(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    termios, fcntl = pytest.importorskip("termios"), pytest.importorskip("fcntl")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x18\x00\x03\x00\x00\x00\x00\x00")
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [ENTRY_POINT, "analyze", EAGER, "--format", "terminal"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment,
    ) as process:
        os.close(theirs)
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0
    os.close(ours)


def _beside(folder: Path, module: str, text: str) -> str:
    """PYTHONPATH of a folder in which `module` is this text, in place of the real one."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(text)
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))


@pytest.mark.parametrize("module", ["click", "numpy", "polars"])
def test_ctrl_c_while_modules_are_imported_is_quiet(module: str, tmp_path: Path) -> None:
    interrupt = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    then_the_real_one = f"import sys\nsys.path.remove({str(tmp_path / 'modules')!r})\n"
    then_the_real_one += f"del sys.modules[{module!r}]\nimport {module}\n"
    path = _beside(tmp_path / "modules", module, interrupt + then_the_real_one)
    query = ["query", str(EAGER), "SELECT 1 FROM events"]
    done = run_process(*query, cwd=tmp_path, environment={"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (130, "sdtrace: interrupted\n")


def test_a_fault_of_ours_is_one_line_that_says_how_to_report_it(tmp_path: Path) -> None:
    path = _beside(tmp_path / "modules", "polars", f"raise ValueError('bad {ESCAPE}\\nday')\n")
    query = ["query", str(EAGER), "SELECT 1 FROM events"]
    line = complaint(run_process(*query, cwd=tmp_path, environment={"PYTHONPATH": path}), 70)
    assert r"this is a fault of sdtrace: ValueError: bad \x1b[31m day; run it again with --debug" in line
    debugged = run_process(*query, "--debug", cwd=tmp_path, environment={"PYTHONPATH": path})
    assert debugged.returncode == 70
    assert debugged.stderr.startswith("Traceback (most recent call last)")


def test_a_command_that_cannot_be_imported_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = EntryPoint("broken", "no_such_module:command", commands.GROUP)
    monkeypatch.setattr(commands, "_entry_points", lambda: {"broken": broken})
    assert commands.run(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "broken cannot be loaded: No module named 'no_such_module'" in said


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RecursionError("maximum recursion depth exceeded"), 70, "a fault of sdtrace: RecursionError: max"),
        (MemoryError(), 70, "memory ran out"),
        (AssertionError(), 70, "a fault of sdtrace: AssertionError; run"),
        (SystemExit("a library gives up"), 70, ""),
        (Terminated(15), 143, "terminated"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 2, "cannot write the output: No space left on device"),
    ],
)
def test_every_exception_has_its_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, debug=False) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == bool(said)


def test_a_fault_names_the_file_that_was_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Path) -> None:
        raise ValueError("bad day")

    (tmp_path / "odd.json").write_text(MINIMAL)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="bad day") as raised:
        read_each(["odd.json"], fail)
    assert report(raised.value, debug=False) == 70
    assert "ValueError: bad day (while reading odd.json); run it again" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["perfetto", "analyze"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_ended_leaves_nothing(
    command: str, number: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """While it works: a named pipe keeps the reader waiting. `nohup` around the tests is undone."""
    os.mkfifo(tmp_path / "trace.json")
    request.addfinalizer(partial(signal.signal, number, signal.signal(number, signal.SIG_DFL)))
    with subprocess.Popen(
        [ENTRY_POINT, command, "trace.json", "-o", "out"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        with (tmp_path / "trace.json").open("w") as pipe:
            pipe.write('{"traceEvents": [')
            pipe.flush()
            time.sleep(0.5)  # so that it waits for more
            process.send_signal(number)
            assert process.stderr is not None
            assert process.stderr.read() == "sdtrace: terminated\n"
        assert process.wait(60) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


def test_what_was_to_be_ignored_stays_ignored(tmp_path: Path) -> None:
    """As under `nohup`."""
    done = shell_line(f"trap '' HUP; sdtrace table {EAGER} & sleep 0.3; kill -HUP $!; wait $!", tmp_path)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('other.csv')",
        "SELECT * FROM READ_CSV('other.csv')",
        "SELECT * FROM \"read_csv\"('other.csv')",
        "SELECT * FROM `read_csv` ('other.csv')",
        "SELECT * FROM read_csv/* /* */ */('other.csv')",
        "SELECT * FROM read_csv -- \n ('other.csv')",
        "WITH t AS (SELECT * FROM read_csv('other.csv')) SELECT * FROM t",
        "SELECT name FROM events WHERE name IN (SELECT secret FROM read_csv('other.csv'))",
        "SELECT name FROM events UNION ALL SELECT secret FROM read_csv('other.csv')",
        "SELECT e.name FROM events e CROSS JOIN read_csv('other.csv') o",
        "EXPLAIN SELECT * FROM read_csv('other.csv')",
        "CREATE TABLE t AS SELECT * FROM read_csv('other.csv')",
        "SELECT $$'$$ AS a, * FROM read_csv('other.csv') WHERE '' = $$'$$",
        "SELECT * FROM read_parquet('other.csv')",
        "SELECT * FROM read_ipc('other.csv')",
        "SELECT * FROM read_json('other.csv')",
        "SELECT * FROM read_ndjson('other.csv')",
    ],
)
def test_sql_reads_only_the_trace(statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.csv").write_text("secret\nword\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="a query reads only the trace"):
        sql.run_sql({"events": pl.DataFrame({"name": ["aten::add"]})}, statement)


def test_sql_over_other_files_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("secret\nword\n")
    done = run("query", EAGER, "SELECT * FROM read_csv('other.csv')", cwd=tmp_path)
    assert "a query reads only the trace" in complaint(done, 2)


def test_a_file_in_the_plan_is_refused_by_whatever_name_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_READERS", re.compile("(?!)"))
    (tmp_path / "other.csv").write_text("secret\nword\n")
    with pytest.raises(UsageError, match="only the trace"):
        sql.run_sql({"events": pl.DataFrame({"a": [1]})}, f"SELECT * FROM read_csv('{tmp_path}/other.csv')")
    assert sql.run_sql({"events": pl.DataFrame({"a": [1]})}, "SELECT a AS read_bytes FROM events").height == 1


_MISTAKES: list[list[str | Path]] = [
    ["query", EAGER, f'SELECT "{ESCAPE}" FROM events'],
    ["query", EAGER, ESCAPE],
    ["analyze", EAGER, "--format", ESCAPE],
    ["analyze", EAGER, "--phase", ESCAPE],
    ["analyze", EAGER, "--baseline", ESCAPE, "--format", "terminal"],
    ["compare", ANY_WORK, EAGER, GRAPHS, "--fail-on", ESCAPE],
    ["table", EAGER, "--sort-by", ESCAPE],
    [ESCAPE],
    ["collect", "--variant", ESCAPE],
    ["collect", "--variant", "bf16", "--set", f"dtype={ESCAPE}"],
]


def test_an_error_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    for words in _MISTAKES:
        code, shown = _on_a_terminal(words, tmp_path)
        assert code == 2
        assert ESCAPE.encode() not in shown


def _on_a_terminal(words: Sequence[str | Path], cwd: Path) -> tuple[int, bytes]:
    """The exit code, and what a terminal got: click removes escapes from what goes elsewhere."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    with start_fork(*words, streams=(None, theirs, theirs), cwd=cwd) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # nobody has the other end any more
                break
        code = process.wait()
    os.close(ours)
    return code, shown


@pytest.mark.parametrize("command", [*READING, "open"])
def test_the_name_of_a_file_cannot_act_on_the_terminal(command: str, tmp_path: Path) -> None:
    (tmp_path / f"{ESCAPE}.json").write_text("no trace")
    done = run(command, f"{ESCAPE}.json", *READING.get(command, []), cwd=tmp_path)
    assert r"\x1b[31m.json" in complaint(done, 3)


def test_progress_on_a_terminal_shows_names_inert(tmp_path: Path) -> None:
    (tmp_path / "\x1b]0;owned\x07.json").write_bytes(EAGER.read_bytes())
    code, shown = _on_a_terminal(["analyze", "\x1b]0;owned\x07.json", "--format", "terminal"], tmp_path)
    assert code == 0
    assert b"reading 1 of 1" in shown
    assert b"\x1b]0;owned" not in shown


_FORMULAS = ("=1+1", " =1+1", "\t=1+1", "+1", "-1", "@a", "\u00a0=1", "\uff1d1+1", "\r=1", "\n=1")


def test_cells_of_csv_are_inert(tmp_path: Path) -> None:
    events = [
        {**INSTANT, "ts": 10 * number, "name": f"{text}{ESCAPE}"} for number, text in enumerate(_FORMULAS)
    ]
    (tmp_path / "t.json").write_text(json.dumps({"traceEvents": [*events, {**INSTANT, "ts": 900}]}))
    assert run("analyze", "t.json", "--format", "csv", cwd=tmp_path).returncode == 0
    written = (tmp_path / "report" / "ops.csv").read_bytes().decode()
    printed = run("query", "t.json", "SELECT name FROM events", "--csv", cwd=tmp_path).stdout
    for text in (written, printed):
        assert "\x1b" not in text
        names = [row["name"] for row in csv.DictReader(io.StringIO(text))]
        assert sorted(name[0] for name in names) == [*"'" * len(_FORMULAS), "a"]


@pytest.mark.parametrize(
    "facts",
    [
        '"{\\"variant\\": \\"\\\\ud800\\", \\"model\\": \\"\\\\udfff\\"}"',
        '{"variant": "\\ud800", "model": "\\udfff", "\\udc00": 1}',
        f'{{"peak_memory_bytes": {"9" * 400}, "unprofiled_wall_s": [{"9" * 400}], "steps": {"9" * 400}}}',
        f'{{"peak_memory_bytes": -{"9" * 30}, "variant": {2**64}}}',
        f'{{"variant": {"[" * 400}{"]" * 400}}}',
    ],
    ids=["surrogates in a text", "surrogates", "400 digits", "30 digits", "deep"],
)
def test_facts_that_cannot_be_encoded(facts: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(f'{{"sdtrace": {facts}, "traceEvents": [{json.dumps(INSTANT)}]}}')
    formats = "html,md,json,csv,parquet,terminal"
    for words in (
        ["analyze", "t.json", "--format", formats],
        ["compare", ANY_WORK, EAGER, "t.json", "--format", "md,json,terminal", "-o", "c"],
    ):
        done = run(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert told["traces"][0]["name"]


def test_files_that_tables_would_replace_are_found_before_the_work(tmp_path: Path) -> None:
    """CSV and Parquet are a file for each table; none is called report.csv."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "idle.csv").write_text("precious")
    (tmp_path / "t.json").write_text("no trace, and not looked at")
    assert "idle.csv exists already" in complaint(
        run("analyze", "t.json", "--format", "csv", cwd=tmp_path), 2
    )
    (tmp_path / "report" / "compare.md").write_text("precious")
    done = run("compare", "t.json", "t.json", "--format", "md", cwd=tmp_path)
    assert "compare.md exists already" in complaint(done, 2)


def test_what_only_looks_like_a_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    line = complaint(run("perfetto", COLD, "-o", "null", "--force", cwd=tmp_path), 2)
    assert "it is not a file" in line
    assert (tmp_path / "null").is_symlink()


def test_python_runs_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdtrace", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.startswith("sdtrace, version ")
