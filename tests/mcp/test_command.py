"""`sdtrace mcp` without the extra."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.command import complaint, run


def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdtrace.cli.mcp.find_spec", lambda _: None)
    said = complaint(run("mcp", cwd=tmp_path), 2)
    assert said == "sdtrace: `sdtrace mcp` needs the extra mcp; run: pip install 'sdtrace[mcp]'\n"


def test_an_sdk_of_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "sdtrace.mcp.server", raising=False)
    assert "another version or broken" in complaint(run("mcp", cwd=tmp_path), 2)
