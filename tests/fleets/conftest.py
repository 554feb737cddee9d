"""A fleet of 40 small traces and two broken ones, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

import sdtrace
from tests.fleets import made


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> made.Fleet:
    return made.tiny(tmp_path_factory.mktemp("fleet") / "traces")


@pytest.fixture(scope="session")
def folder(written: made.Fleet) -> Path:
    return written.traces[0].parent


@pytest.fixture(scope="session")
def store(folder: Path) -> Path:
    """The store that a pool of two made; not to be changed."""
    sdtrace.fleet(folder, store=folder.parent / "store", workers=2)
    return folder.parent / "store"
