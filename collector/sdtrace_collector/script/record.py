"""What the trace of a script says of its own run, under the key and the names that `collect` uses."""

from __future__ import annotations

from typing import Any

import msgspec

from sdtrace_collector.peaks.record import MeasuredPeaks
from sdtrace_collector.protocol import KernelAccess, ProfilerOptions
from sdtrace_collector.script.pipeline_facts import PipelineFacts


class ScriptFacts(msgspec.Struct, frozen=True):
    """Names and units as in `RunFacts`; None and empty where nothing tells.

    `script` is the file's name. `calls` counts what the script called, by class or function; walls are of
    iterations, which are turns of calls. `warmup_wall_s` are of those left out. `outside` is what `sdtrace
    tune` set on the pipelines.
    """

    script: str | None
    model: str | None
    pipelines: list[PipelineFacts]
    calls: dict[str, int]
    parameters: dict[str, int]
    steps: int | None
    images: int
    batch: int | None
    height: int | None
    width: int | None
    cold: bool
    scheduler: str | None
    device: str
    device_name: str
    versions: dict[str, str | None]
    settings: dict[str, Any]
    options: ProfilerOptions
    warmup_wall_s: list[float]
    profiled_wall_s: list[float]
    unprofiled_wall_s: list[float]
    peak_memory_bytes: int | None
    dynamo_compile_times: dict[str, float]
    triton_arguments: dict[str, str]
    triton_access: dict[str, KernelAccess]
    peaks: MeasuredPeaks | None
    unprofiled_before: int
    """So many of the walls without the profiler are from before the profile, the others from after it."""
    outside: dict[str, str] = {}
    schema: str = "sdtrace.run/1"
