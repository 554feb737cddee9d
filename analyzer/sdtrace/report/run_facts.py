"""What is known of the run behind a trace, as rows that a person reads: a label, and a value in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sdtrace import units
from sdtrace.analysis.plain_words import model_name
from sdtrace.model import TraceReport
from sdtrace.report.names import shorten, visible
from sdtrace.report.summary import device_times

_LONGEST: Final = 400
_MOST_KINDS: Final = 8
_LABELS: Final = {
    "variant": "Variant",
    "axes": "Settings",
    "parameters": "Parameters",
    "batch": "Batch",
    "images": "Images",
    "seed": "Seed",
    "prompt": "Prompt",
    "cold": "Compiled inside the profile",
    "scheduler": "Scheduler",
    "versions": "Software",
    "options": "Profiler options",
    "load_s": "Loading the model",
    "warmup_wall_s": "Images before the profiler",
    "profiled_wall_s": "Images with the profiler",
    "unprofiled_wall_s": "Images without the profiler",
    "peak_memory_bytes": "Peak GPU memory",
    "dynamo_compile_times": "Compile stages, as torch counts them",
}
"""Facts that the collector writes, by what a reader calls them; others keep their key, in words."""
_TOLD: Final = frozenset(
    {"model", "height", "width", "steps", "device", "device_name", "schema", "image_means"}
)
"""Facts that other rows tell, or that no reader needs."""
_KINDS: Final = {"(ph M)": "metadata", "(ph i)": "instant", "(ph I)": "instant", "(ph C)": "counter"}
_LEAST_SIZE: Final = 1024
"""A number of something called memory from which it is written as a size."""
_FIRST_TIMES: Final = 6


def run_facts(trace: TraceReport) -> list[tuple[str, str]]:
    """Rows of label and value: file, model, card, software, settings, times; of 400 characters at most.

    What a trace does not tell has no row. `report.json` has every fact as it was recorded.
    """
    run = trace.run
    rows = [("File", trace.path), ("Model", _model(run)), ("GPU", _card(trace))]
    rows += [
        (_LABELS.get(key, _in_words(key)), _value(key, value))
        for key, value in run.items()
        if key not in _TOLD
    ]
    rows += [
        (f"Steady {trace.noun}s", _steady(trace)),
        ("GPU work", device_times(trace) if trace.has_device else ""),
        ("Events", _events(trace)),
    ]
    return [(visible(label), shorten(visible(value), _LONGEST)) for label, value in rows if value]


def _model(run: Mapping[str, Any]) -> str:
    name = model_name(run)
    height, width, steps = run.get("height"), run.get("width"), run.get("steps")
    size = f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else ""
    made = units.counted(steps, "step") if isinstance(steps, int) else ""
    return ", ".join(part for part in (name, size, made) if part)


def _steady(trace: TraceReport) -> str:
    steady = trace.steady
    if steady is None or not trace.has_device:
        return ""
    work = (
        f"{units.duration(steady.gpu_median_us)} of GPU time, {units.count(steady.launches_median)} launches"
    )
    return f"median of {units.count(steady.iterations)}: {work}"


def _card(trace: TraceReport) -> str:
    """The device by name, memory, multiprocessors and compute capability, as far as the trace tells."""
    device = trace.device
    parts = [str(trace.run.get("device_name") or device.get("name") or "")]
    if isinstance(memory := device.get("totalGlobalMem"), int):
        parts.append(units.size(memory))
    if isinstance(count := device.get("numSms"), int):
        parts.append(units.counted(count, "multiprocessor"))
    if isinstance(major := device.get("computeMajor"), int):
        parts.append(f"compute capability {major}.{device.get('computeMinor', 0)}")
    return ", ".join(part for part in parts if part)


def _events(trace: TraceReport) -> str:
    kinds = [
        f"{units.count(number)} {_KINDS.get(name, name)}" for name, number in trace.events.by_category.items()
    ]
    left = len(kinds) - _MOST_KINDS
    listed = ", ".join(kinds[:_MOST_KINDS]) + (f" and {left} more kinds" if left > 0 else "")
    return f"{units.count(trace.events.total)} ({listed})" if listed else units.count(trace.events.total)


def _value(key: str, value: object) -> str:
    """A fact in words: times and sizes with their unit, what holds several as `name value`."""
    if isinstance(value, list):
        return ", ".join(_value(key, each) for each in value)
    if isinstance(value, Mapping):
        return _pairs(key, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(key, value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _pairs(key: str, value: Mapping[str, Any]) -> str:
    if key == "dynamo_compile_times":
        return _longest(value)
    parts = []
    for name, each in value.items():
        told = _value(f"{key}.{name}", each)
        if told:
            parts.append(f"{_in_words(name).lower()} {told}")
    return ", ".join(parts)


def _longest(seconds: Mapping[str, Any]) -> str:
    known = {name: each for name, each in seconds.items() if isinstance(each, int | float)}
    order = sorted(known, key=lambda name: -known[name])
    left = len(order) - _FIRST_TIMES
    shown = ", ".join(f"{name} {units.duration(known[name] * 1e6)}" for name in order[:_FIRST_TIMES])
    return f"{shown} and {left} more in report.json" if left > 0 else shown


def _number(key: str, value: float) -> str:
    if key.endswith("_s"):
        return units.duration(value * 1e6)
    if key.endswith("_bytes") or ("mem" in key.lower() and value >= _LEAST_SIZE):
        return units.size(value)
    return f"{value:,}" if isinstance(value, int) and not key.endswith("seed") else f"{value:g}"


def _in_words(key: str) -> str:
    """`memory_format` as `Memory format`."""
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
