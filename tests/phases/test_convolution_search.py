"""Convolutions that try algorithms, on an H200 with cuDNN's benchmark mode; and ordinary ones, elsewhere."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from sdtrace.phases.convolution_search import convolution_searches
from tests.analysis.reference import COLD, EAGER, GRAPHS, SHIPPED, STACK, WARM, reported, studied
from tests.written import Event, call, host, kernel, written

SEARCHING = "h200-bf16_sdpa_eager.cudnn_benchmark.json.xz"
OTHERS = sorted(path.name for path in SHIPPED.glob("h200-*.json*") if "keyavg" not in path.name)
OTHERS.remove(SEARCHING)
CONVOLUTION = "aten::cudnn_convolution"


def calls_from_json() -> list[dict[str, Any]]:
    """Every convolution of the file, in the order of time."""
    events = json.loads(lzma.decompress((SHIPPED / SEARCHING).read_bytes()))["traceEvents"]
    return sorted((event for event in events if event.get("name") == CONVOLUTION), key=lambda e: e["ts"])


def first_calls_from_json() -> list[dict[str, Any]]:
    """The first convolution of each shape and layout."""
    first: dict[str, dict[str, Any]] = {}
    for event in calls_from_json():
        shape = json.dumps([event["args"][key] for key in ("Input Dims", "Input Strides", "Concrete Inputs")])
        first.setdefault(shape, event)
    return list(first.values())


def test_cudnn_searches_at_the_first_call_with_each_shape_and_at_no_other() -> None:
    found = studied(SEARCHING)
    names, starts = found.trace.names, found.linked.host.start_ns + found.trace.origin_ns
    searches = found.phases.searches
    assert {names[number] for number in found.linked.host.name[searches]} == {CONVOLUTION}
    assert sorted(starts[searches].tolist()) == sorted(
        round(1000 * event["ts"]) for event in first_calls_from_json()
    )
    assert len(searches) > 40


def test_their_time_is_autotune_and_a_finding_says_what_it_was() -> None:
    report = reported(SEARCHING)
    wall = {phase.phase: phase.wall_us for phase in report.phases}
    assert wall["autotune"] == pytest.approx(sum(event["dur"] for event in first_calls_from_json()), abs=1)
    assert [item.phase for item in report.iterations] == ["autotune", "steady"]
    (linked,) = [item for item in report.findings if item.id == "overhead.convolution_search"]
    assert "torch.backends.cudnn.benchmark" in linked.evidence
    assert not [item for item in report.findings if item.id == "overhead.autotune"]


@pytest.mark.parametrize(
    "name", [*OTHERS, EAGER, WARM, GRAPHS, STACK, COLD, "third_party/tracelens_xdit_sd35_mi300x"]
)
def test_ordinary_convolutions_are_not_taken_for_searches(name: str) -> None:
    assert not studied(name).phases.searches.size


def one_call(op: str, kernels: list[str]) -> list[Event]:
    launches = [call("cudaLaunchKernel", 10 + 10 * n, 5, n + 1) for n in range(len(kernels))]
    work = [kernel(name, 5000 + 10 * n, 5, n + 1) for n, name in enumerate(kernels)]
    return [host(op, 0, 4000), *launches, *work]


@pytest.mark.parametrize(
    ("op", "kernels", "expected"),
    [
        ("aten::miopen_convolution", [f"algorithm {n % 9}" for n in range(30)], 1),
        ("aten::miopen_convolution", ["Im2d2Col", "Cijk_gemm"] * 32, 0),
        ("aten::cudnn_convolution", ["nchwToNhwc", "nchwToNhwc", "fprop", "nhwcToNchw"], 0),
        ("aten::native_group_norm", [f"kernel {n}" for n in range(30)], 0),
    ],
)
def test_many_launches_of_several_kinds_make_a_search(
    op: str, kernels: list[str], expected: int, tmp_path: Path
) -> None:
    linked = written(tmp_path / "trace.json", one_call(op, kernels))
    assert len(linked.work.op) == len(kernels)
    assert len(convolution_searches(linked)) == expected
