"""Only what sdtrace wrote, as it wrote it, is replaced without being asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdtrace import own_files
from sdtrace.errors import OutputError


def _written(folder: Path, text: bytes = b"one") -> Path:
    target = folder / "report.md"
    own_files.write({target: text}, force=False)
    return target


def test_our_own_file_is_replaced_as_often_as_one_likes(tmp_path: Path) -> None:
    for text in (b"one", b"two", b"three"):
        assert _written(tmp_path, text).read_bytes() == text
    own_files.check([tmp_path / "report.md"], force=False)


def test_an_edited_file_is_kept(tmp_path: Path) -> None:
    target = _written(tmp_path)
    target.write_bytes(b"one, and my notes")
    with pytest.raises(OutputError, match="pass --force"):
        own_files.check([target], force=False)
    with pytest.raises(OutputError, match="pass --force"):
        _written(tmp_path, b"two")
    assert target.read_bytes() == b"one, and my notes"
    own_files.write({target: b"two"}, force=True)
    assert _written(tmp_path, b"three").read_bytes() == b"three"


def test_a_file_of_somebody_else_keeps_all_files_as_they_are(tmp_path: Path) -> None:
    target = _written(tmp_path)
    other = tmp_path / "report.html"
    other.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"report\.html exists already"):
        own_files.write({target: b"two", other: b"two"}, force=False)
    assert (target.read_bytes(), other.read_bytes()) == (b"one", b"precious")


def test_a_link_to_what_was_written_is_not_ours(tmp_path: Path) -> None:
    target = _written(tmp_path)
    elsewhere = target.rename(tmp_path / "elsewhere.md")
    target.symlink_to(elsewhere)
    with pytest.raises(OutputError, match="exists already"):
        _written(tmp_path, b"two")
    assert elsewhere.read_bytes() == b"one"


@pytest.mark.parametrize("text", [b"", b"no JSON", b"[]", b'{"report.md": 3}', b"[" * 100_000])
def test_a_broken_record_makes_nothing_ours(text: bytes, tmp_path: Path) -> None:
    _written(tmp_path)
    (tmp_path / own_files.RECORD).write_bytes(text)
    with pytest.raises(OutputError, match="exists already"):
        _written(tmp_path, b"two")


def test_the_record_forgets_files_that_are_gone(tmp_path: Path) -> None:
    _written(tmp_path).unlink()
    own_files.write({tmp_path / "report.json": b"{}"}, force=False)
    assert list(json.loads((tmp_path / own_files.RECORD).read_bytes())) == ["report.json"]
