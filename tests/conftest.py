"""What several test folders share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cpu_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of the installed torch with stacks, memory, shapes and two threads; no device."""
    from tests.attribution.recipes import export  # noqa: PLC0415  # torch takes seconds to import

    path = tmp_path_factory.mktemp("torch") / "everything.json"
    export("everything", path)
    return path
