"""What several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported. Tests run side by side: threads that wait for one another would spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def cpu_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of the installed torch with stacks, memory, shapes and two threads; no device."""
    from tests.attribution.recipes import export  # noqa: PLC0415  # torch takes seconds to import

    path = tmp_path_factory.mktemp("torch") / "everything.json"
    export("everything", path)
    return path
