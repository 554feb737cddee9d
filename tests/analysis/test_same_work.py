"""Whether FLOPs say that two traces did the same work."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.analysis.same_work import work_facts
from tests.loaded import study_of
from tests.written import Event, call, host, kernel, written

PRODUCT = {"Input Dims": [[64, 64], [64, 64]], "Input type": ["float", "float"]}
CONVOLUTION = {"Input Dims": [[8, 3, 32, 32], [4, 3, 3, 3], []], "Input type": ["float", "float", ""]}
VALUES = ["", "", "", "[1, 1]", "[1, 1]", "[1, 1]", "False", "[0, 0]", "1"]


@pytest.mark.parametrize(("values", "is_known"), [([], False), (VALUES, True)])
def test_convolutions_whose_arguments_are_not_recorded_hide_the_flops(
    tmp_path: Path, values: list[str], is_known: bool
) -> None:
    events: list[Event] = []
    for step in range(3):
        start = step * 1000
        events += [
            host(f"ProfilerStep#{step}", start, 900, "user_annotation"),
            host("aten::mm", start + 10, 50) | {"args": PRODUCT},
            host("aten::convolution", start + 100, 50) | {"args": CONVOLUTION | {"Concrete Inputs": values}},
            call("cudaLaunchKernel", start + 110, 10, step + 1),
            kernel("conv", start + 200, 50, step + 1),
        ]
    path = tmp_path / "t.json"
    written(path, events)
    flops = work_facts(study_of(path)).flops
    assert (flops > 2 * 64**3) if is_known else (flops == 0)
