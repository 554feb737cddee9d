"""Parts of a run to compare: every one of a kind, and some that cross."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import sdtrace
from sdtrace.analysis.part import Part
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.explore import Explored, explore
from sdtrace.model import TraceReport
from tests.loaded import analysis_of

TRACES = Path(__file__).parents[2] / "traces"
EAGER, REGIONAL = "h200-fp32_eager.json", "h200-bf16_sdpa_regional.cold.json.gz"
GRAPHS, STACK = "h200-bf16_sdpa_cudagraphs.json", "h200-bf16_sdpa_eager.stack.json.gz"
TABLES = ("kernels", "categories", "ops_by_shape", "idle", "components", "ops")
_KEYS = (
    "name",
    "is_user_annotation",
    "cause",
    "category",
    "component",
    "phase",
    "op",
    "input_dims",
    "input_types",
)


def analysis(name: str) -> sdtrace.Analysis:
    return analysis_of(TRACES / name)


@lru_cache(maxsize=4)
def explored(name: str) -> Explored:
    one = analysis(name)
    return explore(WorkStudy(one.study), one.options)


@lru_cache(maxsize=64)
def at(name: str, part: Part) -> TraceReport:
    """What `Analysis.at` says of a part."""
    return (
        analysis(name)
        .at(phase=part.phase, component=part.component, iteration=part.iteration, step=part.step)
        .report
    )


def single_parts(name: str) -> list[Part]:
    """Every phase, component, iteration and step that a page offers, each by itself."""
    found, report = explored(name), analysis(name).report
    return [
        *(Part(phase=row.phase) for row in report.phases),
        *(Part(component=component) for component in [*found.components, *found.blocks, "other"]),
        *(Part(iteration=number) for number in found.picks.iterations),
        *(Part(step=number) for number in found.picks.steps),
    ]


def crossed_parts(name: str) -> list[Part]:
    """A few that say more than one thing."""
    found = explored(name)
    last, steps = found.picks.iterations[-1:], found.picks.steps[-1:]
    return [
        *(Part("steady", component) for component in found.components),
        *(Part(None, None, i, s) for i, s in product(last, steps)),
        *(Part("steady", "unet", i, s) for i, s in product(last, steps)),
        *(Part("warmup", None, i) for i in last),
    ]


def rows(report: TraceReport, table: str) -> dict[tuple[Any, ...], Any]:
    """Rows by what names them; of ops those of the host, as a page lists them."""
    records: Iterable[Any] = getattr(report, table)
    if table == "ops":
        records = [row for row in records if row.device_type == "cpu"]
    return {tuple(getattr(row, key, None) for key in _KEYS): row for row in records}


def fields(row: Any) -> dict[str, Any]:
    """The fields of a record; microseconds to a thousandth of a nanosecond, where sums of floats differ."""
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
