"""HTA's own traces of distributed training, against an independent count of each file.

They belong to another project and are not part of this one. SDTRACE_HTA_TRACES names the folder `tests/data`
of a checkout of https://github.com/facebookresearch/HolisticTraceAnalysis.
"""

from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.job.calls import Call, find_calls
from sdtrace.job.kinds import KINDS
from tests.job.independent import SIZES, events_of

SINGLE = (
    "nccl_parser_config/nccl_data",
    "trace_filter/sampled_rank-0",
    "trace_filter/sampled_rank-1",
    "trace_diff/control/control",
    "trace_diff/test/test",
    "negative_queue_length_values_check/rank0",
    "df_index_resolver/df_index_resolver",
)
EIGHT = tuple(f"vision_transformer/rank-{rank}" for rank in range(8))


def hta_trace(name: str) -> Path:
    path = Path(os.environ.get("SDTRACE_HTA_TRACES", "hta")) / f"{name}.json.gz"
    if not path.is_file():
        pytest.skip(f"HTA's {name}.json.gz is not here; set SDTRACE_HTA_TRACES to its tests/data")
    return path


def kernels(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("cat", "").lower() == "kernel" and "nccl" in event["name"]]


def sizes(events: list[dict[str, Any]]) -> Counter[int]:
    """Bytes of each collective by its kernel; without these by the inputs of its annotation."""
    told = [event["args"] for event in kernels(events) if "In msg nelems" in event["args"]]
    if told:
        return Counter(
            max(args["In msg nelems"], args["Out msg nelems"]) * SIZES[args["dtype"]] for args in told
        )
    about = [event["args"] for event in events if event["name"] == "nccl:all_reduce"]
    return Counter(
        prod(args["Input Dims"][0]) * SIZES[args["Input type"][0]] for args in about if "Input Dims" in args
    )


@pytest.mark.parametrize("name", [*SINGLE, *EIGHT])
def test_collectives_are_those_of_the_file(name: str) -> None:
    path = hta_trace(name)
    events = events_of(path)
    counted = kernels(events)
    calls = find_calls(sdtrace.load(path).study)
    mine = [call for call in calls if call.work]
    assert sum(len(call.work) for call in mine) == len(counted) > 0
    assert sum(call.busy_ns for call in mine) == 1000 * sum(Decimal(event["dur"]) for event in counted)
    assert {call.kind for call in mine} <= KINDS
    has_kernel_args = any("In msg nelems" in event["args"] for event in counted)
    ours = Counter(_bytes(call) for call in mine if has_kernel_args or call.kind == "all_reduce")
    assert {size: count for size, count in ours.items() if size} == sizes(events)


def _bytes(call: Call) -> int:
    return call.nbytes or 0


def test_samples_of_two_ranks_are_matched_where_they_hold_the_same_collectives() -> None:
    job = sdtrace.load_job(*(hta_trace(name) for name in SINGLE[1:3]))
    # Each file holds a part of the collectives; those in both end at once.
    residual = job.report.clocks.residual_us
    assert residual is not None
    assert residual < 300
    assert job.report.world_size == 128
    assert job.late.height == 5


def test_eight_ranks_are_one_job() -> None:
    paths = [hta_trace(name) for name in EIGHT]
    job = sdtrace.load_job(*paths)
    assert [rank.rank for rank in job.report.ranks] == list(range(8))
    for rank, path in zip(job.report.ranks, paths, strict=True):
        spans = sorted(
            (Decimal(event["ts"]), Decimal(event["ts"]) + Decimal(event["dur"]))
            for event in kernels(events_of(path))
        )
        assert rank.communication_us == pytest.approx(float(_union(spans)), abs=1)


def _union(spans: list[tuple[Decimal, Decimal]]) -> Decimal:
    covered, until = Decimal(0), spans[0][0]
    for start, end in spans:
        covered += max(Decimal(0), end - max(start, until))
        until = max(until, end)
    return covered
