"""Where the reference traces lie: outside the repository, because some belong to other projects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[2] / "shared" / "traces"


def shared_trace(name: str) -> Path:
    """The path of a reference trace such as `reference/fp32_eager.json.gz`; skips the test without it."""
    root = Path(os.environ.get("SDTRACE_SHARED_TRACES", _DEFAULT))
    path = root / name
    if not path.is_file():
        pytest.skip(f"reference trace {name} is not here; set SDTRACE_SHARED_TRACES to its folder")
    return path
