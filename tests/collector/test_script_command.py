"""What people type after `sdtrace run` that is no script, or stands in the wrong place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdtrace.errors import UsageError
from sdtrace_collector.script.script_path import check_script

_RUN = "import sys; from sdtrace_collector.script.command import run; sys.exit(run(standalone_mode=False))"


def test_a_script_that_is_there_is_fine(tmp_path: Path) -> None:
    script = tmp_path / "mine"
    script.write_text("x = 1\n")
    check_script(script)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("python", "leave that word out; the script comes first"),
        ("{folder}/bin/python3.11", "leave that word out; the script comes first"),
        ("{folder}", "is a folder; give a Python script"),
        ("{folder}/mine", r"no such file \(did you mean '.*/mine\.py'\?\); give a Python script"),
        ("{folder}/book.ipynb", "is a notebook: make a script of it"),
        ("nowhere/x.py", "no such file; give a Python script"),
    ],
)
def test_what_is_no_script_is_told_with_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "book.ipynb"):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match=said):
        check_script(Path(typed.format(folder=tmp_path)))


def test_an_option_of_ours_after_the_script_is_told_where_the_script_refuses_it(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import argparse\nargparse.ArgumentParser().parse_args()\n")
    command = [sys.executable, "-c", _RUN, "-o", str(tmp_path), str(script), "--repeat", "--skip=1", "--mine"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.endswith(
        "sdtrace: --repeat, --skip are options of sdtrace too: those go before SCRIPT\n"
    )
