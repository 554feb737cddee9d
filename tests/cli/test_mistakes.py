"""Every mistake has its exit code and one line that says what to do."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import ANY_WORK, EAGER, ENTRY_POINT, GRAPHS, MINIMAL, READING, complaint, run

_BAD_FILES = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\t ", "nothing but blanks"),
    "text": (b"hello, this is no JSON\n", "not JSON"),
    "another_kind": (b'{"model": "sd15", "weights": [1, 2]}', "no traceEvents"),
    "no_events": (b'{"traceEvents": []}', "no events"),
    "no_events_array": (b"[]", "no events"),
    "cut_gzip": (gzip.compress(b"x")[:9], "decompressed"),
    "binary": (bytes(range(256)), "not JSON"),
}


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("kind", _BAD_FILES)
def test_a_file_that_is_no_trace(command: str, kind: str, tmp_path: Path) -> None:
    content, reason = _BAD_FILES[kind]
    path = tmp_path / "given.json"
    path.write_bytes(content)
    line = complaint(run(command, path, *READING[command], cwd=tmp_path), 3)
    assert "given.json" in line
    assert reason in line
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("command", [*READING, "open"])
@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("missing.json", "no such file or folder"),
        ("folder", "no traces in this folder"),
        ("traces/*.json", "no file matches this pattern"),
        ("", "no traces in this folder"),
    ],
)
def test_an_input_that_is_not_there(command: str, typed: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    line = complaint(run(command, typed, *READING.get(command, []), cwd=tmp_path), 3)
    assert reason in line
    assert typed in line


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text(MINIMAL)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in complaint(run("analyze", path, cwd=tmp_path), 3)


@pytest.mark.parametrize("command", ["table", "perfetto", "slim", "open", "compare"])
def test_several_traces_where_one_is_meant(command: str, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(MINIMAL)
    line = complaint(run(command, "*.json", *READING.get(command, []), cwd=tmp_path), 3)
    assert "names 2 traces; give one" in line


@pytest.mark.parametrize("command", ["analyze", "compare"])
def test_what_can_be_read_is_still_done(command: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("no")
    first = [] if command == "analyze" else [str(EAGER)]
    (tmp_path / "good.json").write_bytes(EAGER.read_bytes())
    done = run(command, *first, "bad.json", "good.json", "--format", "json,terminal", cwd=tmp_path)
    assert done.returncode == 3
    assert "bad.json: is not JSON" in done.stderr
    assert "good" in done.stdout
    assert list((tmp_path / "report").iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["anlyze", "x.json"], "did you mean 'analyze'?"),
        (["frobnicate"], "there are: analyze, compare"),
        (["analyze"], "Missing argument 'TRACE...'"),
        (["analyze", "x.json", "--formt", "md"], "No such option"),
        (["analyze", "x.json", "--format", "hmtl"], "did you mean 'html'?"),
        (["analyze", "x.json", "--format", ","], "is none of html, md, json"),
        (["analyze", "x.json", "--phase", "stedy"], "did you mean 'steady'?"),
        (["analyze", "x.json", "--phase", "quux"], "phases are capture, autotune"),
        (["analyze", "x.json", "--op-times", "torc"], "--op-times"),
        (["analyze", "x.json", "--top", "0"], "--top"),
        (["analyze", "x.json", "--rules", "none.toml"], "none.toml"),
        (["table", "x.json", "--phase", "stedy"], "did you mean 'steady'?"),
        (["table", EAGER, "--sort-by", "cuda"], "valid keys are"),
        (["query", EAGER, "SELECT nme FROM events"], "events has trace, name, category"),
        (["query", EAGER, ""], "the query failed"),
        (["query", EAGER, "DROP TABLE events"], "write SELECT"),
        (["compare", "x.json"], "Missing argument 'CANDIDATE...'"),
        (["compare", "x.json", "y.json", "--format", "html"], "is none of terminal, md, json"),
        (["perfetto", "-"], "only once"),
        (["slim", "-", "-o", "o.json"], "only once"),
        (["slim", EAGER], "Missing option '-o' / '--output'"),
        (["slim", EAGER, "-o", "o.json", "--iteration", "2"], "iterations are 0 to 1"),
        (["slim", EAGER, "-o", "o.json", "--iteration", "-1"], "--iteration"),
        (["slim", EAGER, "-o", "o.json", "--phase", "stedy"], "did you mean 'steady'?"),
        (["slim", EAGER, "-o", "o.json", "--phase", "compile"], "its phases are steady"),
        (["slim", EAGER, "-o", "o.json", "--from", "3x"], "'3x' is no time; write seconds"),
        (["slim", EAGER, "-o", "o.json", "--from", "nan"], "'nan' is no time"),
        (["slim", EAGER, "-o", "o.json", "--from", "2ms", "--to", "2ms"], "--from must be before --to"),
        (["slim", EAGER, "-o", "o.json", "--from", "1.5s"], "the trace lasts 60.5 ms"),
        (["open", "-"], "give a file"),
    ],
)
def test_what_is_typed_wrong(arguments: list[str | Path], said: str, tmp_path: Path) -> None:
    assert said in complaint(run(*arguments, cwd=tmp_path, stdin=MINIMAL), 2)


def test_an_unknown_baseline_names_the_traces(tmp_path: Path) -> None:
    line = complaint(run("analyze", EAGER, "--baseline", "nope", "--format", "terminal", cwd=tmp_path), 2)
    assert "h200-fp32_eager" in line


@pytest.mark.parametrize("command", ["analyze", "perfetto"])
def test_nothing_is_overwritten_unless_asked(command: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    trace.write_text(MINIMAL)
    arguments = [command, "trace.json", "-o", "out"]
    (tmp_path / "out").mkdir()
    assert run(*arguments, cwd=tmp_path).returncode == 0
    made = sorted((tmp_path / "out").iterdir())
    for path in made:
        path.write_text("precious")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "exists already; pass --force" in done.stderr.splitlines()[-1]
    assert {path.read_text() for path in made} == {"precious"}
    assert run(*arguments, "--force", cwd=tmp_path).returncode == 0
    assert sorted((tmp_path / "out").iterdir()) == made
    assert all(path.read_bytes() != b"precious" for path in made)


@pytest.mark.parametrize("command", ["analyze", "perfetto"])
def test_an_output_that_cannot_be_written(command: str, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(MINIMAL)
    (tmp_path / "file").write_text("")
    done = run(command, "trace.json", "-o", "file/inside", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write file/inside" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [ENTRY_POINT, "table", EAGER], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "sdtrace: cannot write the output: No space left on device\n"
    assert not list(tmp_path.iterdir())


def code_when_nobody_reads(*arguments: str | Path, cwd: Path) -> int:
    """The exit code of a command whose output is closed at once, as `| head` does; it says nothing of it."""
    with subprocess.Popen(
        [ENTRY_POINT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        return process.wait(60)


@pytest.mark.parametrize("command", ["table", "analyze", "query"])
def test_a_reader_that_has_enough(command: str, tmp_path: Path) -> None:
    arguments = {"query": ["SELECT * FROM events", "--csv"], "analyze": ["--format", "terminal"]}
    assert code_when_nobody_reads(command, EAGER, *arguments.get(command, []), cwd=tmp_path) == 0


@pytest.mark.parametrize(("condition", "code"), [("gpu_ms>0", 1), ("gpu_ms<0", 0)])
def test_a_reader_that_has_enough_changes_no_verdict(condition: str, code: int, tmp_path: Path) -> None:
    asked = [ANY_WORK, str(EAGER), str(GRAPHS), "--fail-on", condition]
    assert code_when_nobody_reads("compare", *asked, cwd=tmp_path) == code


def test_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen(
        [ENTRY_POINT, "table", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b'{"traceEvents": [')
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)  # By then it waits for more of its input.
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().strip() == b"sdtrace: interrupted"
        assert process.wait(60) == 130


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback_and_keeps_the_exit_code(place: str, tmp_path: Path) -> None:
    words = ["table", "missing.json"]
    done = run(*(["--debug", *words] if place == "before" else [*words, "--debug"]), cwd=tmp_path)
    assert done.returncode == 3
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("sdtrace: missing.json")
