"""The cache of columns: the same answer, for the same bytes only, whatever became of the entry."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import sdtrace
from sdtrace.cli.analyze import command
from sdtrace.errors import OutputError, UnreadableTrace
from sdtrace.reader import RawTrace, read_raw, resolve
from sdtrace.trace import cache
from sdtrace.trace.cache import read_cached

TRACES = Path(__file__).parents[2] / "traces"
EAGER = TRACES / "h200-fp32_eager.json"
SHIPPED = [path for path in resolve([str(TRACES)]) if isinstance(path, Path)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "sdtrace"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[RawTrace]:
    """What was decoded: a spy on the reader, which works as ever."""
    seen: list[RawTrace] = []

    def spy(path: Path, *rest: Any) -> RawTrace:
        seen.append(read_raw(path, *rest))
        return seen[-1]

    monkeypatch.setattr(cache, "read_raw", spy)
    return seen


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def assert_equal(one: RawTrace, other: RawTrace) -> None:
    for field in fields(RawTrace):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "columns":
            assert [column.dtype for column in a] == [column.dtype for column in b]
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        else:
            assert type(a) is type(b)
            assert a == b, field.name


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_second_read_decodes_nothing_and_gives_the_same(
    path: Path, folder: Path, decoded: list[RawTrace]
) -> None:
    read_cached(path, folder)
    again = read_cached(path, folder)
    (once,) = decoded
    assert again is not once
    assert_equal(again, once)
    assert folder.stat().st_mode & 0o077 == 0


def test_other_bytes_and_another_reader_are_read_anew(
    tmp_path: Path, folder: Path, decoded: list[RawTrace], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(EAGER, tmp_path / "trace.json"))
    status = path.stat()
    read_cached(path, folder)
    changed = path.read_bytes().replace(b"aten::addmm", b"aten::addmn")
    assert len(changed) == status.st_size
    path.write_bytes(changed)
    assert "aten::addmn" in {key.name for key in read_cached(path, folder).keys}
    monkeypatch.setattr(cache, "_reader_version", lambda: "another")
    read_cached(path, folder)
    assert len(decoded) == 3
    renamed = path.rename(tmp_path / "renamed.json")
    read_cached(renamed, folder)
    assert len(decoded) == 3


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes((content[middle] ^ 1,)) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda _: b"", lambda _: b"PK"])
def test_a_damaged_entry_is_made_again(
    damage: Callable[[bytes], bytes], folder: Path, decoded: list[RawTrace]
) -> None:
    whole = read_cached(EAGER, folder)
    (entry,) = entries(folder)
    content = entry.read_bytes()
    entry.write_bytes(damage(content))
    assert_equal(read_cached(EAGER, folder), whole)
    assert len(decoded) == 2
    assert entry.read_bytes() == content


def test_a_file_that_changes_while_it_is_read_makes_no_entry(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(EAGER, tmp_path / "trace.json"))

    def growing(trace: Path, *rest: Any) -> RawTrace:
        raw = read_raw(trace, *rest)
        with trace.open("ab") as file:
            file.write(b"\n")
        return raw

    monkeypatch.setattr(cache, "read_raw", growing)
    read_cached(path, folder)
    assert not folder.exists()


def test_the_entry_not_used_for_longest_makes_room(
    folder: Path, decoded: list[RawTrace], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = SHIPPED[:3]
    read_cached(first, folder)
    (of_first,) = entries(folder)
    read_cached(second, folder)
    (of_second,) = set(entries(folder)) - {of_first}
    read_cached(first, folder)
    monkeypatch.setattr(cache, "_MOST_BYTES", of_first.stat().st_size + 1)
    read_cached(third, folder)
    assert of_second not in entries(folder)
    read_cached(third, folder)
    assert len(decoded) == 3


def test_what_a_killed_run_left_goes_after_a_day(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, new = (folder / f".sdtrace-{name}.tmp" for name in ("0123456789abcdef", "fedcba9876543210"))
    for left in (old, new):
        left.write_bytes(b"PK")
    os.utime(old, (0, 0))
    read_cached(SHIPPED[0], folder)
    assert not old.exists()
    assert new.exists()


def test_without_the_option_nothing_is_kept_and_with_it_the_report_is_the_same(
    folder: Path, tmp_path: Path
) -> None:
    reports = []
    for number, options in enumerate(([], ["--cache"], ["--cache"])):
        out = tmp_path / str(number)
        asked = [str(EAGER), "-o", str(out), "--format", "json", *options]
        assert CliRunner().invoke(command, asked, standalone_mode=False).return_value == 0
        reports.append((out / "report.json").read_bytes())
        assert folder.exists() == bool(options)
    assert reports[0] == reports[1] == reports[2]


def test_what_goes_wrong_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableTrace, match=r"^.*missing\.json: cannot be opened: No such file"):
        sdtrace.load(tmp_path / "missing.json", cache=True)
    assert not folder.exists()
    folder.parent.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match=r"the cache .* cannot be written: Not a directory; run without"):
        sdtrace.load(EAGER, cache=True)


def test_bytes_and_standard_input_are_read_without_it(folder: Path) -> None:
    sdtrace.load(EAGER.read_bytes(), cache=True)
    assert not folder.exists()
