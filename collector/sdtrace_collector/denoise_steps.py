"""`denoise_step` ranges, without anything that the pipeline would have to pass on.

A pipeline's loop stands inside `with self.progress_bar(total=...)`, or goes over
`self.progress_bar(timesteps)`. The first step begins there. After the scheduler has stepped, the next one
begins with the first call of a part; the last one ends with the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from typing import Any, Final

from torch.profiler import record_function

STEP: Final = "denoise_step"


class DenoiseSteps:
    """Opens and closes the ranges of a loop, told of what the loop does."""

    def __init__(self) -> None:
        self._range = ExitStack()
        self._is_in_loop = self._is_stepped = False

    def watching(self, progress_bar: Callable[..., Any]) -> Callable[..., Any]:
        """The pipeline's `progress_bar`, which tells of its loop."""

        @wraps(progress_bar)
        def watched(*args: Any, **kwargs: Any) -> Any:
            return _Bar(progress_bar(*args, **kwargs), self)

        return watched

    def part_called(self) -> None:
        """A part that begins a step is about to be called."""
        if self._is_in_loop and self._is_stepped:
            self.begin()

    def stepped(self) -> None:
        """The scheduler made its step."""
        self._is_stepped = True

    def begin(self) -> None:
        """A step begins; the one before ends."""
        self._range.close()
        self._is_stepped = False
        self._range.enter_context(record_function(STEP))

    def enter(self) -> None:
        """The loop begins."""
        self._is_in_loop = True
        self.begin()

    def leave(self) -> None:
        """The loop ends, well or not."""
        self._is_in_loop = False
        self._range.close()


class _Bar:
    """A progress bar that is entered, or iterated over; all else is the bar's own."""

    def __init__(self, bar: Any, steps: DenoiseSteps) -> None:
        self._bar, self._steps = bar, steps

    def __enter__(self) -> Any:
        entered = self._bar.__enter__()
        self._steps.enter()
        return entered

    def __exit__(self, *error: object) -> Any:
        self._steps.leave()
        return self._bar.__exit__(*error)

    def __iter__(self) -> Iterator[Any]:
        try:
            for item in self._bar:
                self._steps.begin()
                yield item
        finally:
            self._steps.leave()

    def __len__(self) -> int:
        return len(self._bar)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bar, name)
