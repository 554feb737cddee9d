from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.errors import UnreadableTrace
from sdtrace.reader import STDIN, resolve


def made(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return paths


def refusal(text: str) -> str:
    [error] = resolve([text])
    assert isinstance(error, UnreadableTrace)
    assert len(str(error).splitlines()) == 1
    return str(error)


def test_files_stand_for_themselves_once_and_in_order(tmp_path: Path) -> None:
    b, a = made(tmp_path, "b.json", "a.anything")
    assert resolve([str(b), str(a), str(b)]) == [b, a]


def test_a_folder_gives_its_traces_sorted_without_companions(tmp_path: Path) -> None:
    made(
        tmp_path,
        "c.json.xz",
        "x.keyavg.json.gz",
        "x.truth.json",
        "notes.txt",
        "below/d.json",
        "folder.json/e",
    )
    a, b, d = made(tmp_path, "a.json", "b.json.gz", "d.json.zst")
    assert resolve([str(tmp_path)]) == [a, b, tmp_path / "c.json.xz", d]


def test_a_pattern_the_shell_left_alone_is_expanded(tmp_path: Path) -> None:
    a, b, c = made(tmp_path, "a.json", "b.json", "below/c.json")
    assert resolve([str(tmp_path / "*.json")]) == [a, b]
    assert resolve([str(tmp_path / "**" / "*.json")]) == [a, b, c]
    assert resolve([str(tmp_path / "[b].json")]) == [b]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    [path] = made(tmp_path, "run[1].json")
    assert resolve([str(path)]) == [path]


def test_a_dash_is_standard_input() -> None:
    assert resolve(["-"]) == [STDIN]


def test_what_gives_no_file_says_why_and_the_others_stay(tmp_path: Path) -> None:
    [path] = made(tmp_path, "a.json")
    (tmp_path / "empty").mkdir()
    assert "no such file" in refusal(str(tmp_path / "gone.json"))
    assert "no file matches" in refusal(str(tmp_path / "*.zst"))
    assert "no traces in this folder" in refusal(str(tmp_path / "empty"))
    assert "name too long" in refusal("x" * 5000)
    assert "no such file" in refusal("a\0b")
    found = resolve([str(tmp_path / "gone"), str(path)])
    assert isinstance(found[0], UnreadableTrace)
    assert found[1:] == [path]


@pytest.mark.parametrize("text", ["", "."])
def test_the_current_folder_can_be_meant(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a.json")
    monkeypatch.chdir(tmp_path)
    assert resolve([text]) == [Path("a.json")]
