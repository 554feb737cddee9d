"""What the pictures of a page draw that is in the report already, and which pictures a trace has."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from sdtrace.model import Step, TraceReport
from sdtrace.report.names import shorten, visible
from sdtrace.tables.labels import CAUSES

_MOST_STEPS: Final = 2_000
_USED: Final = 0.01
"""Types that fewer of the operations are in have no line."""
_NAME: Final = 60


def pictures_of(trace: TraceReport) -> dict[str, str]:
    """The pictures that a trace has, by their name in the script, with their titles."""
    titles = {
        "waterfall": f"Where a steady {trace.noun} goes" if trace.waterfall else "",
        "steps": "Denoising steps" if trace.steps else "",
        "timeline": "Timeline",
        "icicle": "What calls what",
        "roofline": "Work against the card's limits" if _peaks(trace) else "",
        "memory": "GPU memory" if any(row.device_memory_bytes for row in trace.ops) else "",
    }
    return {name: title for name, title in titles.items() if title}


def picture_data(trace: TraceReport) -> dict[str, Any]:
    """Waterfall, steps and the card's peaks, with names as they may be shown."""
    return {"waterfall": _waterfall(trace), "steps": _steps(trace.steps), "peaks": _peaks(trace)}


def _waterfall(trace: TraceReport) -> dict[str, Any] | None:
    light = trace.speed_of_light
    if light is None or not light.waterfall:
        return None
    parts = [
        {"part": row.part, "name": shorten(visible(CAUSES.get(row.name, row.name)), _NAME), "us": row.us}
        for row in light.waterfall
    ]
    return {"card": shorten(visible(light.card), _NAME), "parts": parts}


def _steps(steps: list[Step]) -> list[dict[str, Any]]:
    return [
        {
            "iteration": row.iteration,
            "index": row.index,
            "wall_us": row.wall_us,
            "gpu_us": row.gpu_us,
            "launches": row.launches,
        }
        for row in steps[:_MOST_STEPS]
    ]


def _peaks(trace: TraceReport) -> dict[str, Any] | None:
    """Rates of the types that the work computes in."""
    light = trace.speed_of_light
    if light is None or not any(row.flops for row in trace.ops_by_shape):
        return None
    operations: Counter[str] = Counter()
    for row in trace.ops_by_shape:
        operations[row.input_types.split(", ")[0]] += row.flops
    used = {name for name, count in operations.items() if count >= _USED * operations.total()}
    used |= {"tf32"} if "float32" in used else set()
    rates = {name: rate for name, rate in light.peaks.flops_per_s.items() if name in used}
    return {"flops": rates, "memory": light.peaks.memory_bytes_per_s}
