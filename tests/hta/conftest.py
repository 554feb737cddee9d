"""These tests run HTA itself, which `make` installs; elsewhere `pip install 'sdtrace[hta]'`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from tests.hta import raw
from tests.loaded import analysis_of

Loaded = Callable[[str], tuple[sdtrace.Analysis, Any]]


@pytest.fixture(autouse=True)
def _with_hta() -> None:
    pytest.importorskip("hta.trace_analysis", reason="HolisticTraceAnalysis is not installed here")


@pytest.fixture(autouse=True)
def _no_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTA draws some results whether asked or not, in a browser."""
    figures = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed here")
    monkeypatch.setattr(figures.Figure, "show", lambda *_, **__: None)
    logging.getLogger("hta").setLevel(logging.CRITICAL)


@cache
def hta_of(path: Path) -> Any:
    """The HTA of a trace, made once; nothing in it is to be changed."""
    return analysis_of(path).hta()


@pytest.fixture(scope="session")
def loaded() -> Loaded:
    """A shipped or a third-party trace by its name: the analysis and its HTA, each made once."""

    def load(name: str) -> tuple[sdtrace.Analysis, Any]:
        return analysis_of(raw.path_of(name)), hta_of(raw.path_of(name))

    return load
