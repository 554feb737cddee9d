"""Ways to leave out work of a denoiser. Each changes the picture; the names of their settings say lossy."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import torch

from sdtrace_collector.errors import DoesNotApply

_THRESHOLD: Final = 0.08
"""How much the first block's result may change, relative to itself, for the other blocks to be left out."""
_WHOLE_AT_BEGINNING: Final = 0.25
"""The share of steps that the beginning has, where all are made."""


def cache_blocks(denoiser: Any) -> None:
    """diffusers' first-block cache: other blocks are left out while what the first one adds changes little.

    Raises:
        DoesNotApply: the denoiser has none, as UNets have not.
    """
    try:
        from diffusers import FirstBlockCacheConfig  # noqa: PLC0415 - diffusers before 0.35 has none

        denoiser.enable_cache(FirstBlockCacheConfig(threshold=_THRESHOLD))
    except (AttributeError, ImportError, ValueError) as error:
        raise DoesNotApply(
            "cache=lossy_first_block needs a transformer that diffusers can cache; try lossy_skip_steps"
        ) from error


def skip_steps(scheduler: Any, denoiser: Any) -> None:
    """Every second step after the beginning, but for the last, uses what the denoiser gave in the one before.

    Outside compiled code. A step may call the denoiser several times, as with guidance; each has its own.
    """
    skipped = SkippedSteps()
    scheduler.set_timesteps = skipped.told_of_steps(scheduler.set_timesteps, scheduler)
    scheduler.step = skipped.told_of_step(scheduler.step)
    denoiser._compiled_call_impl = skipped.skipping(denoiser._compiled_call_impl or denoiser._call_impl)


class SkippedSteps:
    """Counts the steps of an image and keeps what the denoiser gave."""

    def __init__(self) -> None:
        self._steps = self._step = self._call = 0
        self._kept: dict[int, Any] = {}

    @property
    def is_skipped(self) -> bool:
        """Whether the step that runs now is left out."""
        first = max(1, int(self._steps * _WHOLE_AT_BEGINNING))
        return first <= self._step < self._steps - 1 and (self._step - first) % 2 == 0

    def told_of_steps(self, set_timesteps: Callable[..., Any], scheduler: Any) -> Callable[..., Any]:
        """`set_timesteps`, with which an image begins."""

        @wraps(set_timesteps)
        def setting(*args: Any, **kwargs: Any) -> Any:
            result = set_timesteps(*args, **kwargs)
            self._steps, self._step, self._call = len(scheduler.timesteps), 0, 0
            self._kept.clear()
            return result

        return setting

    def told_of_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The scheduler's `step`, with which a step ends."""

        @wraps(step)
        def stepping(*args: Any, **kwargs: Any) -> Any:
            self._step, self._call = self._step + 1, 0
            return step(*args, **kwargs)

        return stepping

    def skipping(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A call of the denoiser, or what the same call of the last whole step gave."""

        @wraps(call)
        def called(*args: Any, **kwargs: Any) -> Any:
            number, self._call = self._call, self._call + 1
            if self.is_skipped and number in self._kept:
                return self._kept[number]
            self._kept[number] = _copied(call(*args, **kwargs))
            return self._kept[number]

        return called


def _copied(result: Any) -> Any:
    """Outputs of a CUDA graph are overwritten by its next replay."""
    if isinstance(result, torch.Tensor):
        return result.clone()
    if isinstance(result, tuple):
        return tuple(_copied(each) for each in result)
    return type(result)(**{name: _copied(value) for name, value in result.items()})
