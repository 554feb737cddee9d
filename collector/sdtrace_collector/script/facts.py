"""Gathers what the trace of a script says of its own run."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

import torch

from sdtrace_collector.compiled_kernels import argument_roles, kernel_sources
from sdtrace_collector.devices import gpus_in_use
from sdtrace_collector.kernel_access import access_of_sources
from sdtrace_collector.machine_facts import device_name, dynamo_compile_times, peak_memory_bytes, versions
from sdtrace_collector.peaks.measure import measure_peaks
from sdtrace_collector.peaks.record import MeasuredPeaks
from sdtrace_collector.script.pipeline_facts import PipelineFacts
from sdtrace_collector.script.record import ScriptFacts
from sdtrace_collector.script.recorder import Recorder

_PEAKS_S: Final = 5.0


def facts_of(
    recorder: Recorder, script: str | None, *, peaks: bool | None, outside: dict[str, str] | None = None
) -> ScriptFacts:
    """The facts once all calls are over. Measures the card where `peaks` says so, or on a GPU by default.

    `outside` is what was set on the script's pipelines from outside.
    """
    pipelines = list(recorder.described.values())
    called, device = recorder.profiled, _device(pipelines)
    memory, compile_times = _peak_memory_bytes(device), dynamo_compile_times()
    sources = kernel_sources()
    networks = {name: part for pipe in reversed(pipelines) for name, part in pipe.networks.items()}
    return ScriptFacts(
        script=script,
        model=next((pipe.model or pipe.class_name for pipe in pipelines), None),
        pipelines=pipelines,
        calls=dict(recorder.calls),
        parameters={name: part.parameters for name, part in networks.items()},
        steps=called and called.steps,
        images=len(recorder.walls["profiled"]),
        batch=called and called.batch,
        height=called and called.height,
        width=called and called.width,
        cold=recorder.cold,
        scheduler=next((kind for pipe in pipelines for kind in pipe.schedulers.values()), None),
        device=str(device),
        device_name=device_name(device),
        versions=versions(),
        settings=_settings(),
        options=recorder.options,
        warmup_wall_s=recorder.walls["left out"],
        profiled_wall_s=recorder.walls["profiled"],
        unprofiled_wall_s=recorder.walls["timed"],
        peak_memory_bytes=memory,
        dynamo_compile_times=compile_times,
        triton_arguments=argument_roles(sources),
        triton_access=access_of_sources(sources),
        peaks=_peaks(device, wanted=peaks),
        unprofiled_before=min(recorder.plan.timed_before, len(recorder.walls["timed"])),
        outside=outside or {},
    )


def _device(pipelines: list[PipelineFacts]) -> torch.device:
    """Where most weights are; those that wait on the CPU for their turn run on the GPU."""
    cuda: Any = torch.cuda
    if not cuda.is_initialized():
        return torch.device("cpu")
    held: Counter[str] = Counter()
    for part in (part for pipe in pipelines for part in pipe.networks.values()):
        on_gpu = next((place for place in part.devices if place.startswith("cuda")), None)
        if on_gpu is not None:
            held[on_gpu] += part.parameters
    (place, _), *_ = held.most_common(1) or [(f"cuda:{cuda.current_device()}", 0)]
    return torch.device(place)


def _peak_memory_bytes(device: torch.device) -> int | None:
    """Of several GPUs that of the fullest; see `peak_memory_bytes`."""
    gpus = gpus_in_use() if device.type == "cuda" else []
    return max((torch.cuda.max_memory_allocated(gpu) for gpu in gpus), default=peak_memory_bytes(device))


def _settings() -> dict[str, Any]:
    """What torch holds for the whole process and changes speed."""
    return {
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "attention_backend": os.environ.get("DIFFUSERS_ATTN_BACKEND"),
        "launch_blocking": os.environ.get("CUDA_LAUNCH_BLOCKING") == "1",
        "allocator": os.environ.get("PYTORCH_ALLOC_CONF") or os.environ.get("PYTORCH_CUDA_ALLOC_CONF"),
    }


def _peaks(device: torch.device, *, wanted: bool | None) -> MeasuredPeaks | None:
    """What the card can do; None where nobody asks, or where it fails: that must not cost the trace."""
    if not (device.type == "cuda" if wanted is None else wanted):
        return None
    try:
        return measure_peaks(device, peers=False, budget_s=_PEAKS_S)
    except RuntimeError:
        return None
