from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sdtrace.errors import OutputError, UsageError
from sdtrace.own_files import RECORD
from sdtrace.report.write import FORMATS, report_files, write_reports
from sdtrace.tables import JOB_TABLES, TABLES
from tests.report import sample

REPOSITORY = Path(__file__).parents[2]

ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from sdtrace.errors import OutputError
from sdtrace.report.write import write_reports
from tests.report import sample

# The system refuses every file beyond a few bytes, as a full disk does.
resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
try:
    write_reports(sample.report(), Path(sys.argv[1]), ["json"], top=10, force=False)
except OutputError as error:
    sys.exit(str(error))
"""


def _write(folder: Path, *formats: str, force: bool = False) -> list[str]:
    written = write_reports(sample.report(), folder, formats or list(FORMATS), top=10, force=force)
    assert all(path.is_file() for path in written)
    return [path.name for path in written]


def test_every_format_makes_its_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    names = _write(tmp_path / "new" / "report")
    assert names[:3] == ["report.html", "report.md", "report.json"]
    assert set(names[3:]) == {
        f"{table.id}.{suffix}" for table in (*TABLES, *JOB_TABLES) for suffix in ("csv", "parquet")
    }
    assert sorted(path.name for path in (tmp_path / "new" / "report").iterdir()) == sorted([RECORD, *names])


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    assert _write(tmp_path, "json") == ["report.json"]


def test_the_files_are_known_before_they_are_written(tmp_path: Path) -> None:
    foretold = report_files(tmp_path, list(FORMATS))
    assert foretold == write_reports(sample.report(), tmp_path, list(FORMATS), top=10, force=False)
    with pytest.raises(UsageError, match=r"'pdf'.*html, md, json, csv, parquet"):
        report_files(tmp_path, ["pdf"])


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'pdf'.*html, md, json, csv, parquet"):
        _write(tmp_path, "pdf")


def test_an_existing_file_is_kept_and_nothing_else_is_written(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(OutputError, match=r"report\.md exists already; pass --force"):
        _write(tmp_path, "html", "md")
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
    assert (tmp_path / "report.md").read_text() == "mine"


def test_force_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    assert _write(tmp_path, "md", force=True) == ["report.md"]
    assert (tmp_path / "report.md").read_text().startswith("# sdtrace report")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^cannot write .*Not a directory; choose another folder with -o$"):
        _write(tmp_path / "file" / "report", "json")


def test_a_full_disk_is_one_line_and_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    # In a process of its own: the limit would hold for pytest's own output as well.
    command = [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path)]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert re.fullmatch(r"cannot write .*report\.json: .*; choose another folder.*\n", told.stderr)
    assert list(tmp_path.iterdir()) == []
