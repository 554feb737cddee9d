"""Operations of Inductor's templates, recorded on an H100, against torch's counter on the same eager op.

`h100-templates.json.gz` is a run of `torch.compile` with `max_autotune` and Triton alone: each case is one
annotation. The counter runs on the meta device, where nothing is computed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch.utils.flop_counter import FlopCounterMode

from sdtrace.attribution.flops import flops_of
from sdtrace.attribution.template_flops import template_flops
from sdtrace.roofline.by_shape import measure_kinds
from sdtrace.roofline.kinds import work_of_kinds
from sdtrace.roofline.peaks import find_peaks
from tests.roofline.test_fused import load, named

RUN = Path(__file__).parents[1] / "roofline" / "data" / "h100-templates.json.gz"


def of(*shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.bfloat16, device="meta")


IMAGE, FILTER = (2, 320, 32, 32), (640, 320, 3, 3)
Q, KV = (2, 8, 1024, 64), (2, 2, 1024, 64)

CASES: dict[str, Callable[[], Any]] = {
    "mm": lambda: of(512, 640) @ of(640, 1280),
    "linear3": lambda: F.linear(of(2, 154, 640), of(1280, 640)),
    "linear3_bias_gelu": lambda: F.linear(of(2, 154, 640), of(1280, 640), of(1280)),
    "bmm": lambda: torch.bmm(of(16, 256, 64), of(16, 64, 320)),
    "bmm_scaled_add": lambda: torch.bmm(of(16, 256, 64), of(16, 64, 320)),
    "baddbmm": lambda: torch.baddbmm(of(320), of(16, 256, 64), of(16, 64, 320)),
    "mm_prologue": lambda: of(512, 640) @ of(640, 1280),
    "mm_mul_two": lambda: of(512, 640) @ of(640, 1280),
    "mm_residual": lambda: of(512, 640) @ of(640, 1280),
    "conv3": lambda: F.conv2d(of(*IMAGE), of(*FILTER), of(640), padding=1),
    "conv3_stride": lambda: F.conv2d(of(*IMAGE), of(*FILTER), stride=2, padding=1),
    "conv1": lambda: F.conv2d(of(*IMAGE), of(640, 320, 1, 1), of(640)),
    "conv_groups": lambda: F.conv2d(of(*IMAGE), of(320, 160, 3, 3), padding=1, groups=2),
    "conv3_last_silu": lambda: F.conv2d(of(*IMAGE), of(*FILTER), of(640), padding=1),
    "flex": lambda: F.scaled_dot_product_attention(of(*Q), of(*Q), of(*Q)),
    "flex_causal": lambda: F.scaled_dot_product_attention(of(*Q), of(*Q), of(*Q)),
    "flex_gqa": lambda: F.scaled_dot_product_attention(of(*Q), of(*Q), of(*Q)),
    "flex_decode": lambda: F.scaled_dot_product_attention(of(2, 8, 1, 64), of(*Q), of(*Q)),
    "flex_half": lambda: F.scaled_dot_product_attention(of(*Q), of(*Q), of(*Q)),
    "odd": lambda: of(77, 48) @ of(48, 96),
}
"""The eager op of each case. Keys and values that heads share count for each: see `attention_flops`."""


@pytest.fixture(scope="module")
def templates() -> dict[str, list[dict[str, Any]]]:
    """The launches of templates in each case."""
    with gzip.open(RUN) as stream:
        events = [event for event in json.load(stream)["traceEvents"] if event.get("ph") == "X"]
    marks = [e for e in events if e.get("cat") == "user_annotation" and e["name"].startswith("case ")]
    launches = [e for e in events if e.get("cat") == "cpu_op" and e["name"].startswith("triton_tem_")]
    return {
        mark["name"].removeprefix("case "): [
            e for e in launches if mark["ts"] <= e["ts"] < mark["ts"] + mark["dur"]
        ]
        for mark in marks
    }


def test_all_cases_are_there(templates: dict[str, list[dict[str, Any]]]) -> None:
    assert {name for name, found in templates.items() if found} == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_operations_are_those_of_torchs_counter(
    templates: dict[str, list[dict[str, Any]]], case: str
) -> None:
    with FlopCounterMode(display=False) as counter:
        CASES[case]()
    assert counter.get_total_flops() > 0
    assert sum(flops_of(e["name"], e["args"]) for e in templates[case]) == counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "shapes", "flops"),
    [
        ("triton_tem_fused_mm_0", [[64, 16], [16, 16], [64, 16], [64, 16]], 2 * 64 * 16 * 16),
        ("triton_tem_fused_addmm_0", [[1024], [8, 32], [32, 1024], [8, 1024]], 2 * 8 * 32 * 1024),
        ("triton_tem_fused_convolution_mm_0", [[2, 8], [8, 3], [2, 3]], 2 * 2 * 8 * 3),
        ("triton_tem_fused_convolution_0", [[1, 4, 9], [6, 4, 3], [1, 6, 7]], 2 * 6 * 7 * 4 * 3),
        ("triton_tem_fused_convolution_backward_0", [[1, 4, 9], [6, 4, 3], [1, 6, 7]], 0),
        ("triton_tem_fused_mm_0", [[4, 5], [6, 7], [4, 7]], 0),
        ("triton_tem_fused_mm_0", [[4, 5], [5, 7]], 0),
        ("triton_tem_fused_mm_0", [[0, 5], [5, 7], [0, 7]], 0),
        ("triton_poi_fused_mm_0", [[4, 5], [5, 7], [4, 7]], 0),
        ("triton_tem_fused_comm_0", [[4, 5], [5, 7], [4, 7]], 0),
    ],
)
def test_other_shapes_and_names(name: str, shapes: list[list[int]], flops: int) -> None:
    """What is fused behind a product does not count; what does not fit together is not known."""
    assert template_flops(name, {"Input Dims": shapes, "Input type": ["float"] * len(shapes)}) == flops


def test_templates_have_a_least_time_but_where_a_mask_leaves_out_what_is_not_recorded() -> None:
    linked = load("h100-templates")
    works = work_of_kinds(linked, named(linked), find_peaks("NVIDIA H100 80GB HBM3"))
    found = {w.kind.op: w for w in works if w.kind.op.startswith("triton_tem_")}
    assert len(found) > 10
    graded = {name for name, work in found.items() if work.roof is not None}
    assert found.keys() - graded == {"triton_tem_fused_flex_attention_0"}
    assert all(work.dtype == "bfloat16" for work in found.values())
    device_ns = dict(zip(map(id, works), measure_kinds(linked, named(linked), works).device_ns, strict=True))
    calls = dict(zip(map(id, works), measure_kinds(linked, named(linked), works).calls, strict=True))
    for work in found.values():
        if work.roof is not None:
            assert work.roof.seconds * calls[id(work)] * 1e9 < 1.05 * device_ns[id(work)]
