"""Files appear whole or not at all, replace nothing by accident, and no link leads them elsewhere."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from sdtrace import atomic_files
from sdtrace.atomic_files import check_targets, staged, write_all
from sdtrace.errors import OutputError


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with staged(target, force=True) as write:
        write(b"ne")
        assert target.read_text() == "old"
        write(b"w")
    assert target.read_text() == "new"
    assert _names(tmp_path) == ["a.json"]


def test_a_name_that_ends_in_gz_is_compressed_and_says_neither_when_nor_as_what(tmp_path: Path) -> None:
    for name in ("a.json.gz", "b.json.gz"):
        with staged(tmp_path / name, force=False) as write:
            write(b"content")
    content = (tmp_path / "a.json.gz").read_bytes()
    assert gzip.decompress(content) == b"content"
    assert content == (tmp_path / "b.json.gz").read_bytes()


def test_a_link_at_the_temporary_name_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where somebody guessed it."""
    monkeypatch.setattr(os, "urandom", bytes)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".sdtrace-{bytes(8).hex()}.tmp").symlink_to(victim)
    with pytest.raises(OutputError, match="File exists"):
        write_all({tmp_path / "report.json": b"{}"}, force=False)
    assert victim.read_text() == "precious"


def test_temporary_names_differ_between_writers_of_one_target(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with staged(target, force=True) as one, staged(target, force=True) as other:
        one(b"one")
        other(b"other")
        assert len(_names(tmp_path)) == 2
    assert target.read_bytes() == b"one"  # whose block ended last
    assert _names(tmp_path) == ["a.json"]


def test_the_second_of_two_writers_says_so(tmp_path: Path) -> None:
    target = tmp_path / "a.json"

    def two_writers() -> None:
        with staged(target, force=False) as slow:
            slow(b"slow")
            with staged(target, force=False) as quick:
                quick(b"quick")

    with pytest.raises(OutputError, match=r"a\.json exists already"):
        two_writers()
    assert target.read_bytes() == b"quick"
    assert _names(tmp_path) == ["a.json"]


def test_the_second_says_so_where_the_file_system_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_all({tmp_path / "a": b"whole"}, force=False)
    assert (tmp_path / "a").read_bytes() == b"whole"
    (tmp_path / "another").mkdir()
    test_the_second_of_two_writers_says_so(tmp_path / "another")


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, ValueError, OSError])
def test_nothing_stays_of_a_block_that_ends_early(ending: type[BaseException], tmp_path: Path) -> None:
    """The error stays what it is: a source that cannot be read is no target that cannot be written."""

    def interrupted() -> None:
        with staged(tmp_path / "a.json.gz", force=False) as write:
            write(b"half")
            raise ending

    with pytest.raises(ending):
        interrupted()
    assert _names(tmp_path) == []


def test_all_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wanted = {tmp_path / "a": b"a", tmp_path / "file" / "b": b"b"}
    with pytest.raises(OutputError, match="cannot write"):
        write_all(wanted, force=False)
    assert _names(tmp_path) == ["file"]


def test_files_that_were_renamed_are_taken_back_when_a_later_one_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something appears between the check and the renaming."""
    monkeypatch.setattr(atomic_files, "check_targets", lambda *_, **__: None)
    (tmp_path / "b").write_text("precious")
    with pytest.raises(OutputError, match="b exists already"):
        write_all({tmp_path / "a": b"a", tmp_path / "b": b"b"}, force=False)
    assert _names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "precious"


def test_only_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "null", "pipe"):
        with pytest.raises(OutputError, match="is not a file"):
            check_targets([tmp_path / name], force=True)


def test_a_link_is_replaced_and_what_it_points_to_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    for name, to in (("link", kept), ("dangling", tmp_path / "nowhere")):
        link = tmp_path / name
        link.symlink_to(to)
        with pytest.raises(OutputError, match="exists already"):
            check_targets([link], force=False)
        write_all({link: b"new"}, force=True)
        assert not link.is_symlink()
    assert kept.read_text() == "kept"
    assert _names(tmp_path) == ["dangling", "kept", "link"]


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    write_all({target: b"x"}, force=False)
    assert target.read_bytes() == b"x"


def test_files_have_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_all({tmp_path / "ours": b""}, force=False)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a"
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    outcomes: list[str] = []

    def write(content: bytes) -> None:
        try:
            write_all({target: content}, force=False)
            outcomes.append("written")
        except OutputError:
            outcomes.append("refused")

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["written"]
    assert target.read_bytes() in contents
    assert _names(tmp_path) == ["a"]
