"""These tests run HTA itself, where it is installed: `pip install 'sdtrace[hta]'`."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _with_hta() -> None:
    pytest.importorskip("hta.trace_analysis", reason="HolisticTraceAnalysis is not installed here")
