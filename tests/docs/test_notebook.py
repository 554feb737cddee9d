"""The notebook runs from top to bottom, and what it shows is what it gives."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tools.notebook import NOTEBOOK, executed

from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_a_run_of_now_gives_the_stored_outputs(
    stored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        # Neither the settings of whoever runs this nor files for them.
        monkeypatch.setenv(place, str(tmp_path / place))
    with warnings.catch_warnings():
        # The kernel's client warns of its own sockets and event loops.
        warnings.simplefilter("ignore")
        fresh = executed(NOTEBOOK)
    for before, after in zip(stored.cells, fresh.cells, strict=True):
        assert before == after, "run python -m tools.notebook"


def test_the_notebook_is_small_and_knows_nothing_of_a_machine(stored: Any) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 150_000
    assert str(ROOT) not in text
    assert stored.metadata.keys() == {"kernelspec"}
    codes = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert len(codes) >= 8
    assert all(cell.outputs for cell in codes)
