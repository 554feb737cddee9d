"""The tools on shipped traces, which are read once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtrace.mcp.tools import Tools
from tests.cli.command import COLD, EAGER, GRAPHS, MINIMAL


@pytest.fixture(scope="package", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of what was read that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def tools() -> Tools:
    return Tools(len((COLD, EAGER, GRAPHS)))


@pytest.fixture
def two_traces(tmp_path: Path) -> Path:
    """A folder with two traces, the second newer."""
    for place, name in enumerate(("first", "second")):
        path = tmp_path / f"{name}.json"
        path.write_text(MINIMAL)
        os.utime(path, (place, place))
    return tmp_path
