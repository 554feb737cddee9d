"""Work held against the card, every trace at hand: no rate above its roof, parts that sum to the whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.model import OpByShape, SpeedOfLight
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.roofline.by_shape import KernelWork
from tests.loaded import study_of
from tests.shared import shared_trace
from tests.test_shipped_traces import NAMES, trace_path

DATA = Path(__file__).parent / "data"
OURS = (
    "h200-compiled.json.gz",
    "h100-batch.json.gz",
    "h100-graphs.json.gz",
    "h100-templates.json.gz",
    "h100-transformer.json.gz",
)
SHARED = (
    "reference/bf16_sdpa.warm.json.gz",
    "reference/bf16_sdpa_eager.stack.json.gz",
    "reference/bf16_sdpa_graphs.warm.json.gz",
    "reference/fp32_eager.json.gz",
    "third_party/hta_cpu_only.json.gz",
    "third_party/hta_cudagraph_training_a100.json.gz",
    "third_party/hta_mi250_rocm62_training.json.gz",
    "third_party/hta_ns_resolution_v100.json.gz",
    "third_party/tracelens_torch_compile_triton_mi300x.json.gz",
    "third_party/tracelens_vllm_decode_graph_rocm.json.gz",
    "third_party/tracelens_xdit_sd35_mi300x.json.gz",
    "wild/bytes_eager.json.gz",
    "wild/cfg_parallel.rank0.json.gz",
    "wild/cfg_parallel.rank1.json.gz",
    "wild/flux_recompile.json.gz",
    "wild/lora_train.json.gz",
    "wild/pairs_fp32.json.gz",
    "wild/pairs_sd.json.gz",
    "wild/sd_offload.json.gz",
)
"""All but `bf16_sdpa.cold`, which takes eight seconds to study."""
TOP_PCT = 105.0
WITHOUT_LIGHT = (
    "reference/bf16_sdpa_eager.stack.json.gz",
    "third_party/hta_cpu_only.json.gz",
)
"""One call, or no GPU work: no iteration is steady."""


@dataclass(frozen=True)
class Held:
    """One trace held against its card."""

    name: str
    study: Study

    @cached_property
    def work(self) -> WorkStudy:
        return WorkStudy(self.study)

    @cached_property
    def rows(self) -> list[OpByShape]:
        return self.work.by_shape(None)

    @cached_property
    def kernels(self) -> dict[str, KernelWork]:
        return self.work.kernels(None)

    @cached_property
    def light(self) -> SpeedOfLight | None:
        return self.work.speed_of_light()


def path_of(name: str) -> Path:
    if name in OURS:
        return DATA / name
    return trace_path(name) if name in NAMES else shared_trace(name)


@pytest.fixture(scope="module", params=[*NAMES, *OURS, *SHARED])
def held(request: pytest.FixtureRequest) -> Held:
    name = str(request.param)
    return Held(name, study_of(path_of(name)))


def ns(value_us: float) -> int:
    return round(value_us * 1000)


def test_no_rate_is_above_its_roof(held: Held) -> None:
    fast = [
        (row.op, row.input_dims, row.pct_of_peak, row.bound)
        for row in held.rows
        if row.pct_of_peak is not None and row.pct_of_peak > TOP_PCT
    ]
    assert not fast
    assert all(row.exact for row in held.rows if row.pct_of_peak is not None)


def test_device_time_sums_to_all_work_with_an_op(held: Held) -> None:
    named, work = held.work.named, held.study.linked.work
    time = held.study.trace.dur_ns[work.row]
    assert sum(ns(row.device_us) for row in held.rows) == time[named.kind >= 0].sum()
    assert sum(row.calls for row in held.rows) == len(np.unique(named.call[named.kind >= 0]))
    trace, host = held.study.trace, held.study.linked.host
    is_graph = np.append(trace.named(GRAPH_LAUNCH), False)[work.launch]
    is_op = trace.in_categories({"cpu_op"})[np.append(host.row, -1)[work.op]] & (work.op >= 0)
    assert (named.kind[is_op & ~is_graph] >= 0).all(), "what an op launched has its op"


def test_the_waterfall_sums_to_the_wall(held: Held) -> None:
    light = held.light
    assert (light is None) == (held.name in WITHOUT_LIGHT)
    if light is None:
        return
    assert sum(ns(part.us) for part in light.waterfall) == ns(light.wall_us)
    assert all(part.us > 0 for part in light.waterfall if part.part != "overlap")
    busy = sum(ns(part.us) for part in light.waterfall if part.part != "idle")
    work = sum(ns(part.us) for part in light.waterfall if part.part in ("roofline", "lost", "unknown"))
    assert sum(ns(part.gpu_us) for part in light.components) == work
    assert 0 < ns(light.image_us) <= busy <= ns(light.wall_us)
    assert ns(light.best_dtype_us) <= ns(light.image_us)
    assert all(part.best_dtype_us <= part.roofline_us <= part.gpu_us for part in light.components)


def test_the_image_is_the_parts_at_the_roofline_and_those_unknown(held: Held) -> None:
    light = held.light
    if light is None or any(part.part == "overlap" for part in light.waterfall):
        return
    parts = sum(ns(part.us) for part in light.waterfall if part.part in ("roofline", "unknown"))
    assert abs(parts - ns(light.image_us)) <= len(light.components)


def test_kernels_did_no_more_than_the_ops(held: Held) -> None:
    """Of kernels that are all of their ops; a row of ops has each of their calls once."""
    known = list(held.kernels.values())
    assert sum(kernel.flops for kernel in known) <= sum(row.flops for row in held.rows)
    for field in ("bytes_read", "bytes_written"):
        ours = sum(getattr(kernel, field) or 0 for kernel in known)
        assert ours <= sum(getattr(row, field) or 0 for row in held.rows)


def test_a_kernel_that_is_one_of_several_of_its_op_says_nothing(held: Held) -> None:
    """Counted plainly: how many pieces of work each call of an op has."""
    named, linked = held.work.named, held.study.linked
    _, which, counts = np.unique(named.call, return_inverse=True, return_counts=True)
    shared = (counts[which] > 1) | (named.kind < 0)
    names = linked.trace.name[linked.work.row]
    in_company = {linked.trace.names[name] for name in np.unique(names[shared]).tolist()}
    alone = {linked.trace.names[name] for name in np.unique(names).tolist()} - in_company
    assert set(held.kernels) == alone
