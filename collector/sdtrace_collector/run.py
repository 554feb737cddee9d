"""One variant's run inside the worker: load, warm up, time without the profiler, profile, hand over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from sdtrace.errors import SdtraceError
from sdtrace_collector.annotate import annotated
from sdtrace_collector.before_and_after import before_profile
from sdtrace_collector.compiled_kernels import argument_roles, kernel_sources
from sdtrace_collector.cupti import let_go_after_profiles
from sdtrace_collector.devices import device_of
from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.geometry import MODELS, TINY_MODELS
from sdtrace_collector.golden import write_golden
from sdtrace_collector.graph_work import record_graph_work
from sdtrace_collector.kernel_access import access_of_sources
from sdtrace_collector.machine_facts import device_name, dynamo_compile_times, peak_memory_bytes, versions
from sdtrace_collector.models import image_size, load, modules_of
from sdtrace_collector.peaks.measure import measure_peaks
from sdtrace_collector.peaks.record import MeasuredPeaks
from sdtrace_collector.picture_check import check_picture, plain
from sdtrace_collector.prepare import DTYPES, caller, prepare, set_backends
from sdtrace_collector.protocol import (
    Done,
    Event,
    Exporting,
    Golden,
    GraphWork,
    Measured,
    Missing,
    Note,
    Picture,
    PictureCheck,
    RunFacts,
    Spec,
    Stage,
)
from sdtrace_collector.timed import Timed
from sdtrace_collector.variants import Axes

Send = Callable[[Event], None]
_GPU_SIZE = {"steps": 10, "images": 3}
_SMALL_SIZE = {"steps": 4, "images": 2}
_PEAKS_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A spec with everything decided that depends on the device or the model."""

    device: torch.device
    model: str
    steps: int
    images: int


def plan_of(spec: Spec) -> Plan:
    """Fills in device, model, steps and images: small ones for a CPU or the tiny model.

    Raises:
        SetupFailed: the device does not exist here.
    """
    device = device_of(spec.device)
    model = spec.model or ("sd15" if device.type == "cuda" else "tiny")
    size = _SMALL_SIZE if model in TINY_MODELS or device.type == "cpu" else _GPU_SIZE
    images = size["images"] if spec.images is None else spec.images
    return Plan(device, model, spec.steps or size["steps"], images)


def run(spec: Spec, send: Send) -> None:
    """Runs the variant and hands over its trace, or without profiled images the facts alone.

    Warm: everything is compiled before the profiler starts, and timed before and after it. Cold: the profiler
    sees the first call, and all timing comes after.

    Raises:
        SetupFailed: no such device or model here.
        DoesNotApply: this model, or this machine, has no place for what the variant sets.
    """
    plan = plan_of(spec)
    send(Stage(f"loading {plan.model}"))
    start = time.perf_counter()
    let_go_after_profiles()
    set_backends(spec.axes)
    pipe, random_parts = load(plan.model, DTYPES[spec.axes.dtype], plan.device, spec.seed)
    if random_parts and plan.model not in MODELS:
        send(Note(f"{', '.join(random_parts)}: no weights in that folder, random ones of the right shape"))
    prepare(pipe, spec.axes)
    load_s = time.perf_counter() - start
    arguments = _arguments(spec, plan, pipe)
    timed = Timed(caller(pipe, spec.axes), spec.seed, arguments)

    warmup = [] if spec.cold else _seconds(timed, _warmup_images(spec.axes), send, "warm-up")
    if plan.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(plan.device)
    before = _before_profile(spec, plan)
    unprofiled = _seconds(timed, before, send, "unprofiled")
    graph_work, peak_before = _graph_work(spec, plan, pipe, timed, send)
    profiler, profiled, batches = _profile(spec, plan, pipe, timed, send)
    unprofiled += _seconds(timed, spec.unprofiled_images - before, send, "unprofiled")
    # All that is timed or counted is over: measuring the card takes memory and changes its clocks.
    memory, compile_times = peak_memory_bytes(plan.device), dynamo_compile_times()
    memory = memory and max(memory, peak_before)
    peaks = _peaks(spec, plan, send)
    sources = kernel_sources()
    if sources:
        send(Stage("what compiled kernels read and write"))
    roles, access = argument_roles(sources), access_of_sources(sources)
    parameters = {n: sum(p.numel() for p in m.parameters()) for n, m in modules_of(pipe).items()}
    scheduler = type(pipe.scheduler).__name__
    del pipe, timed
    picture = _picture_check(spec, plan, batches, arguments, send)

    facts = RunFacts(
        variant=spec.variant,
        axes=spec.axes,
        model=plan.model,
        parameters=parameters,
        steps=plan.steps,
        images=plan.images,
        batch=spec.batch,
        height=arguments["height"],
        width=arguments["width"],
        frames=arguments.get("num_frames"),
        seed=spec.seed,
        prompt=spec.prompt,
        cold=spec.cold,
        scheduler=scheduler,
        device=str(plan.device),
        device_name=device_name(plan.device),
        versions=versions(),
        options=spec.profiler,
        load_s=load_s,
        warmup_wall_s=warmup,
        profiled_wall_s=profiled,
        unprofiled_wall_s=unprofiled,
        unprofiled_before=before,
        peak_memory_bytes=memory,
        image_means=[_mean(batch) for batch in batches],
        dynamo_compile_times=compile_times,
        triton_arguments=roles,
        triton_access=access,
        graph_work=graph_work,
        peaks=peaks,
        random_parts=random_parts,
        picture=picture,
    )
    if not plan.images:
        send(Measured(facts))
        send(Done())
        return
    _export(profiler, spec, facts, send)
    if spec.picture:
        path = Path(spec.scratch, "picture.npy")
        np.save(path, batches[0][0].float().cpu().numpy())
        send(Picture(str(path)))
    if spec.golden:
        send(Stage("torch's key_averages"))
        send(_golden(profiler, Path(spec.scratch, "keyavg.json")))
    send(Done())


def _arguments(spec: Spec, plan: Plan, pipe: Any) -> dict[str, Any]:
    """What the pipeline is called with, but for noise and output.

    Raises:
        SetupFailed: frames are asked for, and it makes none.
    """
    height, width = image_size(pipe)
    sizes = {"height": spec.height or height, "width": spec.width or width}
    given = {"prompt": [spec.prompt] * spec.batch, "num_inference_steps": plan.steps, **sizes}
    frames = signature(pipe.__call__).parameters.get("num_frames")
    if frames is None and spec.frames is not None:
        raise SetupFailed(f"--frames {spec.frames}: {plan.model} makes images, no videos; leave it out")
    return given if frames is None else given | {"num_frames": spec.frames or frames.default}


def _picture_check(
    spec: Spec, plan: Plan, batches: list[torch.Tensor], arguments: dict[str, Any], send: Send
) -> PictureCheck | None:
    """None where nobody asks, where nothing can differ, or where it fails: that must not cost the trace."""
    if not spec.check_picture or not batches or spec.axes == plain(spec.axes):
        return None
    send(Stage("the same image as the pipeline makes it by itself"))
    try:
        return check_picture(batches[0][0], plan.model, spec.axes, plan.device, spec.seed, arguments)
    except (RuntimeError, SdtraceError):
        return None


def _golden(profiler: Any, path: Path) -> Golden | Missing:
    """torch's own table in a file; where torch cannot make it, why: that must not cost the trace."""
    try:
        write_golden(profiler, path)
    except (UnicodeError, RuntimeError, MemoryError) as error:
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".rstrip(": ")
        return Missing(
            f"torch's own table is missing, its key_averages() failed ({reason}); the trace is whole"
        )
    return Golden(str(path))


def _peaks(spec: Spec, plan: Plan, send: Send) -> MeasuredPeaks | None:
    """What the card can do; None where nobody asks, or where it fails: that must not cost the trace."""
    if spec.known_peaks is not None:
        return spec.known_peaks
    wanted = plan.device.type == "cuda" if spec.peaks is None else spec.peaks
    if not wanted:
        return None
    send(Stage("measuring the card's peaks"))
    try:
        return measure_peaks(plan.device, peers=False, budget_s=_PEAKS_S)
    except RuntimeError:
        return None


def _graph_work(spec: Spec, plan: Plan, pipe: Any, timed: Timed, send: Send) -> tuple[GraphWork | None, int]:
    """What kernels inside CUDA graphs are, and the peak of device memory before it was recorded, in bytes.

    None where there are no graphs; and when cold, for then the trace holds the work before its capture.
    Between what is timed without the profiler and what is profiled: both find a warm pipeline, and no
    profiler ran before the first.
    """
    if spec.cold or not plan.images or not spec.axes.cudagraphs or plan.device.type != "cuda":
        return None, 0
    send(Stage("work inside graphs"))
    peak = peak_memory_bytes(plan.device) or 0
    found = record_graph_work(pipe, timed, Path(spec.scratch))
    torch.cuda.reset_peak_memory_stats(plan.device)
    return found, peak


def _seconds(timed: Timed, count: int, send: Send, text: str) -> list[float]:
    """Wall seconds of `count` images."""
    taken = []
    for index in range(count):
        send(Stage(text, index, count))
        taken.append(timed.image(index)[0])
    return taken


def _before_profile(spec: Spec, plan: Plan) -> int:
    """How many images are timed before the profiler starts: all where nothing is profiled, none when cold."""
    if spec.cold:
        return 0
    return before_profile(spec.unprofiled_images) if plan.images else spec.unprofiled_images


def _warmup_images(axes: Axes) -> int:
    """A CUDA graph is recorded at a part's second call, and the VAE has one call an image."""
    if axes.cudagraphs:
        return 3
    return 2 if axes.compiled else 1


def _profile(
    spec: Spec, plan: Plan, pipe: Any, timed: Timed, send: Send
) -> tuple[Any, list[float], list[torch.Tensor]]:
    """The stopped profiler, wall seconds of each image and the images, a batch each."""
    activities = [ProfilerActivity.CPU]
    if plan.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    seconds: list[float] = []
    batches: list[torch.Tensor] = []
    with (
        profile(activities=activities, **msgspec.structs.asdict(spec.profiler)) as profiler,
        annotated(pipe),
    ):
        for index in range(plan.images):
            send(Stage("profiling", index, plan.images))
            with record_function("model_inference"):
                taken, batch = timed.image(index)
            seconds.append(taken)
            batches.append(batch)
    return profiler, seconds, batches


def _mean(batch: torch.Tensor) -> float | None:
    mean = batch.detach().double().mean()
    return mean.item() if mean.isfinite() else None


def _export(profiler: Any, spec: Spec, facts: RunFacts, send: Send) -> None:
    """Gives the trace to the parent without a file in between, where the system has named pipes.

    torch opens either the name it is given or that name with `.tmp`, by version: both are pipes. It writes
    the name into the trace too, hence a relative one.
    """
    name = f"{spec.variant}.json"
    paths = [str(Path(spec.scratch, name)), str(Path(spec.scratch, f"{name}.tmp"))]
    with chdir(spec.scratch):
        if hasattr(os, "mkfifo"):
            for path in paths:
                os.mkfifo(path)
            send(Exporting(facts, paths))
            profiler.export_chrome_trace(name)
        else:
            profiler.export_chrome_trace(name)
            send(Exporting(facts, paths[:1]))
