"""What autotune tried and chose, against the durations in the file itself."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from sdtrace.analysis.tuned_kernels import tuned, tuned_shares
from sdtrace.phases.timeline import STEADY
from tests.analysis.reference import COLD, finding, reported, studied
from tests.shared import shared_trace

REGIONAL = "h200-bf16_sdpa_regional.cold.json.gz"
SHIPPED = Path(__file__).parents[2] / "traces" / REGIONAL
LAYER_NORM = "triton_per_fused_native_layer_norm_0"


def variant(event: dict[str, Any]) -> tuple[Any, ...]:
    args = event["args"]
    return (*args["grid"], *args["block"], args["registers per thread"], args["shared memory"])


def in_file(name: str) -> tuple[dict[tuple[Any, ...], float], tuple[Any, ...]]:
    """The medians of the variants of a kernel (106 runs each), and the variant that runs last."""
    events = json.loads(gzip.decompress(SHIPPED.read_bytes()))["traceEvents"]
    kernels = (event for event in events if event.get("cat") == "kernel" and event["name"] == name)
    mine = sorted(kernels, key=lambda event: event["ts"])
    runs = defaultdict(list)
    for event in mine:
        runs[variant(event)].append(event["dur"])
    tried = {key: median(durations[:106]) for key, durations in runs.items() if len(durations) >= 106}
    return tried, variant(mine[-1])


def test_the_share_that_the_fastest_variant_would_take() -> None:
    tried, chosen = in_file(LAYER_NORM)
    assert len(tried) == 4
    assert chosen in tried
    share = min(tried.values()) / tried[chosen]
    study = studied(REGIONAL)
    row = study.linked.work.row[study.phases.work_mask(STEADY)]
    mine = [study.trace.names[code] == LAYER_NORM for code in study.trace.name[row].tolist()]
    shares = tuned_shares(study, row)
    # Every fourth run is of a size that was not tried.
    assert sorted(set(shares[mine].tolist())) == pytest.approx([share, 1])
    assert share < 0.6
    found = tuned(study)
    assert found is not None
    assert found.names[0] == LAYER_NORM
    lost_ns = (1 - shares) @ study.trace.dur_ns[row]
    assert found.lost_ns == pytest.approx(lost_ns, rel=0.001)
    assert found.lost_ns < found.ns


def test_choices_that_cost_a_hundredth_of_gpu_time_are_told_and_others_are_not() -> None:
    found = finding(reported(COLD), "device.autotune_choice")
    assert found is not None
    for part in ("48 tuned kernels", "1.4 %", "takes 4.77 µs, the fastest of 3 variants took 2.24 µs"):
        assert part in found.evidence
    # 38 us from the fill before to a kernel of 5 us: events around it time the launch.
    assert "the GPU waited 38.2 µs for the launch, and they took 4.93 µs" in found.evidence
    assert found.saving is not None
    assert found.saving.to_us <= found.saving.from_us
    assert finding(reported(REGIONAL), "device.autotune_choice") is None


def test_kernels_of_a_dynamic_shape_run_at_sizes_that_were_never_tried() -> None:
    shared_trace("wild/flux_recompile.json.gz")
    found = finding(reported("wild/flux_recompile"), "device.autotune_size")
    assert found is not None
    assert "49.6 % of the time of all tuned kernels" in found.evidence
    assert finding(reported(COLD), "device.autotune_size") is None


def test_without_autotune_in_the_trace_nothing_is_said_of_it() -> None:
    assert tuned(studied("h200-fp32_eager.json")) is None
