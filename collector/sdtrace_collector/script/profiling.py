"""One profile: started and stopped by hand, and its trace written to a file of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from sdtrace_collector.annotate import annotated
from sdtrace_collector.cupti import let_go_after_profiles
from sdtrace_collector.protocol import ProfilerOptions

ITERATION = "model_inference"


class Profiling:
    """A profile that runs from the start until `stop`.

    Raises:
        RuntimeError: another profiler runs in this thread.
    """

    def __init__(self, options: ProfilerOptions) -> None:
        autograd: Any = torch.autograd
        if autograd._profiler_enabled():  # torch would end it without a word
            raise RuntimeError("another profiler runs in this thread")
        let_go_after_profiles()
        self._profiler = profile(activities=_activities(), **msgspec.structs.asdict(options))
        self._range: Any = None
        self._named: set[int] = set()
        self.walls: list[float] = []
        self._profiler.start()

    def begin(self) -> None:
        """An iteration begins."""
        self._range = record_function(ITERATION)
        self._range.__enter__()

    def end(self) -> None:
        """It ends; nothing happens where none began."""
        if self._range is not None:
            self._range.__exit__(None, None, None)
            self._range = None

    @contextmanager
    def named(self, pipe: Any) -> Iterator[None]:
        """The parts of a pipeline have their names inside the block; once, where blocks nest."""
        key = id(pipe)
        is_new = pipe is not None and key not in self._named
        self._named.add(key)
        try:
            with annotated(pipe) if is_new else nullcontext():
                yield
        finally:
            if is_new:
                self._named.discard(key)

    def stop(self) -> None:
        """Ends the profile. What it holds can be written until another profile begins."""
        self.end()
        self._profiler.stop()

    def write(self, path: Path) -> None:
        """Writes the trace, without any facts."""
        self._profiler.export_chrome_trace(str(path))


def _activities() -> list[ProfilerActivity]:
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        activities.append(ProfilerActivity.XPU)
    return activities
