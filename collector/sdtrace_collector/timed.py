"""The wall time of one image, as the collector measures it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


class Timed:
    """Makes images one call at a time and takes their wall seconds: device idle before, device idle after."""

    def __init__(
        self, call: Callable[..., Any], device: torch.device, seed: int, arguments: dict[str, Any]
    ) -> None:
        self._call, self._device, self._seed, self._arguments = call, device, seed, arguments

    def image(self, index: int, **more: object) -> tuple[float, torch.Tensor]:
        """Wall seconds and the images, one batch, as floats in [0, 1]. Equal indices make equal images."""
        generator = torch.Generator("cpu").manual_seed(self._seed + index)
        self._synchronize()
        start = time.perf_counter()
        arguments = {**self._arguments, **more}
        images = self._call(generator=generator, output_type="pt", **arguments).images
        self._synchronize()
        return time.perf_counter() - start, images

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
