"""What a scene is once its networks are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from torch.utils.data import DataLoader, Dataset

IN_TRACE: Final = {
    "compile": "CompiledFxGraph",
    "last_compile": "CompiledFxGraph",
    "graphs": "cudaGraphLaunch",
}
"""What text the trace of a setting must hold on a GPU."""


@dataclass
class Training:
    """A training loop: `batches()` starts a loader, `step(batch)` trains on one."""

    dataset: Dataset[Any]
    batch: int
    workers: int
    step: Callable[[Any], Any]
    pins: bool

    def batches(self) -> Iterator[Any]:
        return iter(
            DataLoader(
                self.dataset,
                self.batch,
                shuffle=True,
                drop_last=True,
                num_workers=self.workers,
                pin_memory=self.pins and self.workers > 0,
            )
        )


@dataclass
class Made:
    """The settings of a scene: `run[name]()` makes one image, `train[name]` is a training."""

    run: dict[str, Callable[[], Any]] = field(default_factory=dict)
    train: dict[str, Training] = field(default_factory=dict)
    images: int = 4
    """In a trace."""
    unrecorded: int = 0
    """Images before those of a trace, while the profiler warms up; then its steps mark the images."""
    has_stacks: bool = False
    """Whether traces hold the calls of Python."""
    settle: Callable[[], None] = lambda: None
    """Called where the scene is alone, before anything is measured."""

    @property
    def settings(self) -> tuple[str, ...]:
        return (*self.run, *self.train)
