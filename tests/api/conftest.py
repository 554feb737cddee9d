"""Two shipped traces as analyses; `eager_trace` and `eager` are also what the docstrings' examples use."""

from __future__ import annotations

from pathlib import Path

import pytest

import sdtrace

TRACES = Path(__file__).parents[2] / "traces"


@pytest.fixture(scope="session")
def eager_trace() -> Path:
    return TRACES / "h200-fp32_eager.json"


@pytest.fixture(scope="session")
def eager(eager_trace: Path) -> sdtrace.Analysis:
    return sdtrace.load(eager_trace)


@pytest.fixture(scope="session")
def regional() -> sdtrace.Analysis:
    return sdtrace.load(TRACES / "h200-bf16_sdpa_regional.cold.json.gz")
