"""`sdtrace slim` as a person types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sdtrace.trace import load_trace
from tests.cli.command import EAGER, run


def test_one_line_says_what_was_kept(tmp_path: Path) -> None:
    done = run("slim", EAGER, "--iteration", "1", "-o", "out.json.gz", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    line = r"Wrote out\.json\.gz: 5,771 of 11,488 events; 2\.86 MiB before, [\d.]+ KiB after\n"
    assert re.fullmatch(line, done.stderr)


def test_a_folder_gets_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run("slim", EAGER, "--drop-python", "--anonymize", "-o", "out", cwd=tmp_path).returncode == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["h200-fp32_eager.slim.json.gz"]


def test_times_are_seconds_or_say_their_unit(tmp_path: Path) -> None:
    spelled = [("0.01", "0.02"), ("10ms", "20 ms"), ("10000us", "0.02s"), (".01", "20.0ms")]
    for number, (low, high) in enumerate(spelled):
        done = run("slim", EAGER, "--from", low, "--to", high, "-o", f"{number}.json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    texts = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(texts) == 1
    assert 0 < len(load_trace(tmp_path / "0.json")) < len(load_trace(EAGER))


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_exists_is_replaced_with_force_only(force: bool, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("precious")
    done = run("slim", EAGER, "-o", "out.json", *(["--force"] if force else []), cwd=tmp_path)
    assert done.returncode == (0 if force else 2)
    assert (target.read_text() == "precious") is not force
