"""Two shipped traces as analyses; `eager_trace` and `eager` are also what the docstrings' examples use."""

from __future__ import annotations

from pathlib import Path

import pytest

import sdtrace
from tests.fleets import made
from tests.loaded import analysis_of

RANKS = [Path(__file__).parents[1] / "field" / f"two_ranks.rank{rank}.json" for rank in (0, 1)]
TRACES = Path(__file__).parents[2] / "traces"


@pytest.fixture(scope="session")
def eager_trace() -> Path:
    return TRACES / "h200-fp32_eager.json"


@pytest.fixture(scope="session")
def eager(eager_trace: Path) -> sdtrace.Analysis:
    return sdtrace.load(eager_trace)


@pytest.fixture(scope="session")
def regional() -> sdtrace.Analysis:
    return analysis_of(TRACES / "h200-bf16_sdpa_regional.cold.json.gz")


@pytest.fixture(scope="session")
def two_ranks() -> list[Path]:
    return RANKS


@pytest.fixture(scope="session")
def job(two_ranks: list[Path]) -> sdtrace.JobAnalysis:
    return sdtrace.load_job(*two_ranks)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> sdtrace.Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    made.tiny(folder / "traces")
    return sdtrace.fleet(folder / "traces", store=folder / "store", workers=2)
