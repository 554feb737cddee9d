"""What several test folders share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported. Tests run side by side: threads that wait for one another would spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What Inductor compiles is looked at, and need not be fast: no optimization, no trying of vector
# instructions, no processes that import torch only to compile.
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "0")
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
if shutil.which("g++"):
    os.environ.setdefault("CXX", str(Path(__file__).parent / "unoptimized-g++"))
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def cpu_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of the installed torch with stacks, memory, shapes and two threads; no device."""
    from tests.attribution.recipes import export  # noqa: PLC0415  # torch takes seconds to import

    path = tmp_path_factory.mktemp("torch") / "everything.json"
    export("everything", path)
    return path
