"""Templates are compiled once, and compiled anew where what was kept is of no use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import jinja2
import pytest

from sdtrace.report.templating import environment

NAMES = ("report.html.j2", "report.md.j2")


def compiled(names: tuple[str, ...] = NAMES) -> list[Any]:
    """What a new process gets: the code of each template."""
    found = environment.__wrapped__()
    return [found.get_template(name).root_render_func.__code__.co_code for name in names]


def forbidden(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a template was compiled")


def test_they_are_kept_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    first = compiled()
    monkeypatch.setattr(jinja2.Environment, "_generate", forbidden)
    assert compiled() == first
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "elsewhere"))
    with pytest.raises(AssertionError, match="was compiled"):
        compiled()


def test_damaged_ones_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    first = compiled()
    kept = {file: file.read_bytes() for file in tmp_path.rglob("*.jinja-*")}
    assert len(kept) == len(NAMES)
    for file, content in kept.items():
        file.write_bytes(content[: len(content) // 2])
    assert compiled() == first
    assert {file: file.read_bytes() for file in kept} == kept


def test_nothing_is_kept_where_nothing_can_be_or_nobody_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    monkeypatch.setattr(sys, "pycache_prefix", str(blocked))
    first = compiled()
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert compiled() == first
    assert not (tmp_path / "none").exists()
