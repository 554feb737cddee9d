"""The wall time of one image, as the collector measures it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from sdtrace_collector.devices import wait_for_devices


class Timed:
    """Makes images one call at a time and takes their wall seconds: device idle before, device idle after."""

    def __init__(self, call: Callable[..., Any], seed: int, arguments: dict[str, Any]) -> None:
        self._call, self._seed, self._arguments = call, seed, arguments

    def image(self, index: int, **more: object) -> tuple[float, torch.Tensor]:
        """Wall seconds and a batch of images or videos, floats in [0, 1]. Equal indices make equal ones."""
        generator = torch.Generator("cpu").manual_seed(self._seed + index)
        wait_for_devices()
        start = time.perf_counter()
        arguments = {**self._arguments, **more}
        made = self._call(generator=generator, output_type="pt", **arguments)
        wait_for_devices()
        return time.perf_counter() - start, made.images if hasattr(made, "images") else made.frames
