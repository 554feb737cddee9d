"""What the benchmarks time is there: a function that moved would end a run of many minutes."""

from __future__ import annotations

from importlib import import_module

import pytest
from benchmarks.stages import STAGES


@pytest.mark.parametrize(("module", "function"), [stage[1:] for stage in STAGES])
def test_every_timed_stage_is_a_function(module: str, function: str) -> None:
    assert callable(vars(import_module(module)).get(function))
