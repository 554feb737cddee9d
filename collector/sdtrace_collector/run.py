"""One variant's run inside the worker: load, warm up, time without the profiler, profile, hand over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from sdtrace_collector.annotate import annotated
from sdtrace_collector.compiled_kernels import argument_roles, kernel_sources
from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.golden import write_golden
from sdtrace_collector.graph_work import record_graph_work
from sdtrace_collector.machine_facts import device_name, dynamo_compile_times, peak_memory_bytes, versions
from sdtrace_collector.models import image_size, load, modules_of
from sdtrace_collector.prepare import DTYPES, caller, prepare, set_backends
from sdtrace_collector.protocol import Done, Event, Exporting, Golden, GraphWork, RunFacts, Spec, Stage
from sdtrace_collector.timed import Timed
from sdtrace_collector.variants import Axes

Send = Callable[[Event], None]
_GPU_SIZE = {"steps": 10, "images": 3}
_SMALL_SIZE = {"steps": 4, "images": 2}


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
    device = _device(spec.device)
    model = spec.model or ("sd15" if device.type == "cuda" else "tiny")
    size = _SMALL_SIZE if model == "tiny" or device.type == "cpu" else _GPU_SIZE
    return Plan(device, model, spec.steps or size["steps"], spec.images or size["images"])


def run(spec: Spec, send: Send) -> None:
    """Runs the variant and hands over its trace.

    Warm: everything is compiled and timed before the profiler starts. Cold: the profiler sees the first call.

    Raises:
        SetupFailed: no such device or model here.
    """
    plan = plan_of(spec)
    send(Stage(f"loading {plan.model}"))
    start = time.perf_counter()
    set_backends(spec.axes)
    pipe = load(plan.model, DTYPES[spec.axes.dtype], plan.device, spec.seed)
    prepare(pipe, spec.axes)
    load_s = time.perf_counter() - start
    height, width = spec.height or image_size(pipe), spec.width or image_size(pipe)
    prompts = [spec.prompt] * spec.batch
    arguments = {"prompt": prompts, "num_inference_steps": plan.steps, "height": height, "width": width}
    timed = Timed(caller(pipe, spec.axes), plan.device, spec.seed, arguments)

    warmup = [] if spec.cold else _seconds(timed, _warmup_images(spec.axes), send, "warm-up")
    if plan.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(plan.device)
    unprofiled = [] if spec.cold else _seconds(timed, spec.unprofiled_images, send, "unprofiled")
    profiler, profiled, means = _profile(spec, plan, pipe, timed, send)
    if spec.cold:
        unprofiled = _seconds(timed, spec.unprofiled_images, send, "unprofiled")

    peak = peak_memory_bytes(plan.device)
    compile_times = dynamo_compile_times()
    roles, graph_work = _compiled_work(spec, plan, pipe, timed, send)
    facts = RunFacts(
        variant=spec.variant,
        axes=spec.axes,
        model=plan.model,
        parameters={n: sum(p.numel() for p in m.parameters()) for n, m in modules_of(pipe).items()},
        steps=plan.steps,
        images=plan.images,
        batch=spec.batch,
        height=height,
        width=width,
        seed=spec.seed,
        prompt=spec.prompt,
        cold=spec.cold,
        scheduler=type(pipe.scheduler).__name__,
        device=str(plan.device),
        device_name=device_name(plan.device),
        versions=versions(),
        options=spec.profiler,
        load_s=load_s,
        warmup_wall_s=warmup,
        profiled_wall_s=profiled,
        unprofiled_wall_s=unprofiled,
        peak_memory_bytes=peak,
        image_means=means,
        dynamo_compile_times=compile_times,
        triton_arguments=roles,
        graph_work=graph_work,
    )
    _export(profiler, spec, facts, send)
    if spec.golden:
        send(Stage("torch's key_averages"))
        path = Path(spec.scratch, "keyavg.json")
        write_golden(profiler, path)
        send(Golden(str(path)))
    send(Done())


def _compiled_work(
    spec: Spec, plan: Plan, pipe: Any, timed: Timed, send: Send
) -> tuple[dict[str, str], GraphWork | None]:
    """What compiled kernels do, after everything is timed: roles of their arguments, work inside graphs."""
    if not spec.axes.compiled or plan.device.type != "cuda":
        return {}, None
    send(Stage("work inside compiled code"))
    roles = argument_roles(kernel_sources())
    if not spec.axes.cudagraphs:
        return roles, None
    return roles, record_graph_work(pipe, timed, Path(spec.scratch))


def _seconds(timed: Timed, count: int, send: Send, text: str) -> list[float]:
    """Wall seconds of `count` images."""
    taken = []
    for index in range(count):
        send(Stage(text, index, count))
        taken.append(timed.image(index)[0])
    return taken


def _warmup_images(axes: Axes) -> int:
    """A CUDA graph is recorded at a part's second call, and the VAE has one call an image."""
    if axes.cudagraphs:
        return 3
    return 2 if axes.compiled else 1


def _device(wanted: str | None) -> torch.device:
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise SetupFailed(f"--device {wanted}: not a device; choose cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SetupFailed(f"--device {wanted}: only cpu and cuda can be profiled; choose cpu, cuda or cuda:N")
    if device.type == "cuda":
        _check_cuda(wanted, device)
    return device


def _check_cuda(wanted: str, device: torch.device) -> None:
    if not torch.cuda.is_available():
        why = (
            "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
        )
        raise SetupFailed(f"--device {wanted}: {why}; run `sdtrace doctor`, or use --device cpu")
    if (device.index or 0) >= torch.cuda.device_count():
        raise SetupFailed(
            f"--device {wanted}: there are {torch.cuda.device_count()} GPUs, counted from cuda:0"
        )
    torch.cuda.set_device(device)


def _profile(
    spec: Spec, plan: Plan, pipe: Any, timed: Timed, send: Send
) -> tuple[Any, list[float], list[float | None]]:
    """The stopped profiler, wall seconds of each image and its mean pixel."""
    activities = [ProfilerActivity.CPU]
    if plan.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    seconds: list[float] = []
    batches: list[torch.Tensor] = []
    with (
        profile(activities=activities, **msgspec.structs.asdict(spec.profiler)) as profiler,
        annotated(pipe) as callback,
    ):
        for index in range(plan.images):
            send(Stage("profiling", index, plan.images))
            with record_function("model_inference"):
                taken, batch = timed.image(index, callback_on_step_end=callback)
            seconds.append(taken)
            batches.append(batch)
    return profiler, seconds, [_mean(batch) for batch in batches]


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
