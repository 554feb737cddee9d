"""Makes a call again with the random numbers it had, and leaves those of the script where they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sdtrace_collector.devices import gpus_in_use


class Randomness:
    """The generators among the arguments of a call, as they were before it."""

    def __init__(self, arguments: Iterable[Any]) -> None:
        lists = (each if isinstance(each, list) else [each] for each in arguments)
        self._generators = [each for held in lists for each in held if isinstance(each, torch.Generator)]
        self._before = [each.get_state() for each in self._generators]

    @contextmanager
    def repeated(self) -> Iterator[Callable[[], None]]:
        """A function that makes the generators what they were before; at the end all are as at the start."""
        after = [each.get_state() for each in self._generators]
        with torch.random.fork_rng(gpus_in_use()):
            yield lambda: self._set(self._before)
        self._set(after)

    def _set(self, states: list[torch.Tensor]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)
