"""Runs of the installed torch under its own profiler, with the table it makes of them."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch.autograd.profiler_util import EventList
from torch.profiler import ProfilerActivity, profile, record_function, schedule


class Recipe(NamedTuple):
    """What to run, and how to profile it."""

    work: Callable[[Callable[[], None]], None]
    """Gets the function that ends a profiler step."""
    options: Mapping[str, Any] = {}


def train(end_step: Callable[[], None]) -> None:
    """Three steps of a small network, forward and backward, in nested ranges."""
    layers = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    for _ in range(3):
        with record_function("iteration"), record_function("inner"):
            layers(torch.randn(8, 16)).sum().backward()
        end_step()


def infer(end_step: Callable[[], None]) -> None:
    """Convolution, attention and products in inference mode."""
    with torch.inference_mode(), record_function("model_inference"):
        x = torch.nn.functional.conv2d(torch.randn(1, 3, 8, 8), torch.randn(4, 3, 3, 3), padding=1)
        q = x.reshape(1, 4, 8, 8)
        torch.nn.functional.scaled_dot_product_attention(q, q, q).softmax(-1)
        torch.bmm(torch.randn(2, 3, 4), torch.randn(2, 4, 5)).add_(1).mul(2).tolist()
    end_step()


def train_on_two_threads(end_step: Callable[[], None]) -> None:
    """The same work at the same time on a second thread."""
    other = threading.Thread(target=train, args=(lambda: None,))
    other.start()
    train(end_step)
    other.join()


def watch_another_thread(end_step: Callable[[], None]) -> None:
    """The thread that runs the profiler does next to nothing; another one trains, and a third infers."""
    others = [threading.Thread(target=work, args=(lambda: None,)) for work in (train, infer)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    torch.ones(2)
    end_step()


def reduce_together(end_step: Callable[[], None]) -> None:
    """A collective that lasts beyond the call: torch records it on the caller's thread, as asynchronous."""
    with tempfile.TemporaryDirectory() as folder:
        where = f"file://{folder}/store"
        torch.distributed.init_process_group("gloo", init_method=where, rank=0, world_size=1)
        try:
            for _ in range(3):
                reduced = torch.distributed.all_reduce(torch.randn(1 << 18), async_op=True)
                torch.randn(64, 64) @ torch.randn(64, 64)
                reduced.wait()
                end_step()
        finally:
            torch.distributed.destroy_process_group()


def same_names(end_step: Callable[[], None]) -> None:
    """Ranges that fold into their parents, in chains and with siblings."""
    with record_function("a"), record_function("a"), record_function("a"):
        torch.ones(3).sum()
    with record_function("b"):
        for _ in range(2):
            with record_function("b"):
                torch.ones(2)
    end_step()


RECIPES: dict[str, Recipe] = {
    "plain": Recipe(train),
    "shapes": Recipe(infer, {"record_shapes": True}),
    "stack": Recipe(train, {"with_stack": True}),
    "two_threads": Recipe(train_on_two_threads),
    "other_threads": Recipe(watch_another_thread),
    "memory": Recipe(train, {"profile_memory": True, "record_shapes": True}),
    "memory_and_stack": Recipe(infer, {"profile_memory": True, "with_stack": True}),
    "memory_on_two_threads": Recipe(train_on_two_threads, {"profile_memory": True}),
    "flops": Recipe(infer, {"with_flops": True, "record_shapes": True}),
    "modules": Recipe(train, {"with_modules": True}),
    "same_names": Recipe(same_names),
    "collective": Recipe(reduce_together),
    "steps": Recipe(train, {"schedule": schedule(wait=0, warmup=1, active=2, repeat=1)}),
    "everything": Recipe(
        train_on_two_threads,
        {"profile_memory": True, "record_shapes": True, "with_stack": True, "with_flops": True},
    ),
}


ATTEMPTS = 5


def export(name: str, path: Path) -> profile:
    """Profile the recipe on the CPU and export to `path`."""
    recipe = RECIPES[name]
    profiled = profile(activities=[ProfilerActivity.CPU], **recipe.options)
    with profiled:
        recipe.work(profiled.step if "schedule" in recipe.options else lambda: None)
    profiled.export_chrome_trace(str(path))
    return profiled


def run(name: str, path: Path) -> EventList:
    """The same, with torch's own table.

    With stacks, torch 2.13 now and then records a name that is no UTF-8, and then cannot make its
    table; such a run is repeated.
    """
    for _ in range(ATTEMPTS):
        with contextlib.suppress(UnicodeDecodeError):
            table: EventList = export(name, path).key_averages()
            return table
    pytest.skip(f"torch could not read its own names in {ATTEMPTS} runs")
