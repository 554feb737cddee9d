"""Trainings whose loader computes its samples on the CPU: in turn with the training, or in workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from benchmarks.record.made import Made, Training
from benchmarks.record.place import Place
from torch.utils.data import Dataset

Sample = tuple[Any, ...]
Make = Callable[[np.random.Generator, int], Sample]
"""Makes a sample from `rounds` pieces of work."""


class Synthetic(Dataset[Sample]):
    """Samples that take `rounds` pieces of CPU work each."""

    def __init__(self, make: Make) -> None:
        self.make, self.rounds = make, 1

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> Sample:
        return self.make(np.random.default_rng(index), self.rounds)


def smooth_noise(rng: np.random.Generator, side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A random picture: noise through a low pass."""
    spectrum = np.fft.rfft2(rng.standard_normal((side, side)).astype(np.float32))
    low = np.hypot(*np.meshgrid(np.fft.rfftfreq(side), np.fft.fftfreq(side)))
    return np.fft.irfft2(spectrum * np.exp(-40 * low), (side, side)).astype(np.float32)


def loaders(
    at: Place, make: Make, step: Callable[[Any], Any], batch: int, heavy_ms: int, light_ms: int
) -> Made:
    """`heavy` and `light` take so many milliseconds of CPU a batch; `workers` do the same work beside it.

    How many pieces of work these are is found out where the scene is alone.
    """
    count = at.pick(8, 2)
    data = {"heavy": Synthetic(make), "light": Synthetic(make)}

    def settle() -> None:
        rng = np.random.default_rng(0)
        few, many = (_median_ms(make, rng, rounds) for rounds in (4, 16))
        one = max(0.02, (many - few) / 12)
        rest = max(0.0, few - 4 * one)
        for name, ms in (("heavy", heavy_ms), ("light", light_ms)):
            data[name].rounds = max(1, round((ms / batch - rest) / one))
        said = ", ".join(f"{name} {each.rounds}" for name, each in data.items())
        print(
            f"a piece of work takes {one:.2f} ms, all else {rest:.2f} ms a sample; {said} pieces", flush=True
        )

    return Made(
        train={
            name: Training(data[kind], batch, workers, step, pins=not at.is_tiny)
            for name, kind, workers in (
                ("heavy", "heavy", 0),
                ("workers", "heavy", count),
                ("light", "light", 0),
                ("light_workers", "light", count),
            )
        },
        settle=settle,
    )


def _median_ms(make: Make, rng: np.random.Generator, rounds: int) -> float:
    times = []
    for _ in range(9):
        begin = time.perf_counter()
        make(rng, rounds)
        times.append(1000 * (time.perf_counter() - begin))
    return float(np.median(times))


def trainer(at: Place, net: torch.nn.Module, loss_of: Callable[..., torch.Tensor]) -> Callable[[Any], Any]:
    """A step of AdamW in bfloat16: `loss_of(net, *batch)`."""
    net.to(at.device).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5, foreach=True)

    def step(batch: Sequence[torch.Tensor]) -> torch.Tensor:
        batch = [one.to(at.device, non_blocking=True) for one in batch]
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(at.device, torch.bfloat16):
            loss = loss_of(net, *batch)
        torch.autograd.backward(loss)
        optimizer.step()
        return loss

    return step
