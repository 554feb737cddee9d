"""Standard streams that are closed, full, or belong to nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import (
    EAGER,
    complaint,
    shell_line,
)


@pytest.mark.parametrize(
    "words", [f"table {EAGER}", f"analyze {EAGER} --format terminal", "--version", "variants"]
)
def test_a_closed_stdout_cannot_be_written(words: str, tmp_path: Path) -> None:
    line = complaint(shell_line(f"sdtrace {words} >&-", tmp_path), 2)
    assert "cannot write the output" in line


def test_reports_are_written_whole_where_stdout_is_closed(tmp_path: Path) -> None:
    done = shell_line(f"sdtrace analyze {EAGER} --format json >&-", tmp_path)
    assert done.returncode == 2
    assert json.loads((tmp_path / "report" / "report.json").read_text())["traces"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (f"analyze {EAGER} 2>&-", 0),
        ("table missing.json 2>&-", 3),
        ("table missing.json 2>/dev/full", 3),
        ("x 2>/dev/full", 2),
    ],
)
def test_a_stderr_that_takes_nothing_changes_no_exit_code(words: str, code: int, tmp_path: Path) -> None:
    done = shell_line(f"sdtrace {words}", tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stdout


def test_a_closed_stdin_cannot_be_read(tmp_path: Path) -> None:
    line = complaint(shell_line("sdtrace table - <&-", tmp_path), 3)
    assert "-: cannot be read: " in line


def test_a_file_never_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """Else the report would hold what is printed."""
    plain = shell_line(f"sdtrace analyze {EAGER} --format json -o plain", tmp_path)
    closed = shell_line(f"sdtrace analyze {EAGER} --format json -o closed <&- >&- 2>&-", tmp_path)
    assert (plain.returncode, closed.returncode) == (0, 2)
    written = [(tmp_path / folder / "report.json").read_bytes() for folder in ("plain", "closed")]
    assert written[0] == written[1]
