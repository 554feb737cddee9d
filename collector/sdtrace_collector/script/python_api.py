"""Profile your own pipeline from Python: `profile` around calls, `profile_call` for one that it repeats."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sdtrace
from sdtrace.atomic_files import check_targets
from sdtrace_collector.errors import CollectError
from sdtrace_collector.protocol import ProfilerOptions
from sdtrace_collector.script.facts import facts_of
from sdtrace_collector.script.hooks import see_calls
from sdtrace_collector.script.plan import ALL, Plan
from sdtrace_collector.script.recorder import Recorder
from sdtrace_collector.script.trace_file import write_trace


class Run:
    """What `profile` makes: a trace at `path` once its block has ended. A notebook shows the verdict."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def analysis(self) -> sdtrace.Analysis:
        """The analysis of the trace. Raises UnreadableTrace before the block has ended."""
        return sdtrace.load(self.path)

    def __repr__(self) -> str:
        return f"<sdtrace_collector.Run {self.path}>"

    def _repr_html_(self) -> str | None:
        return self.analysis._repr_html_() if self.path.is_file() else None


@contextmanager
def profile(
    pipe: Any,
    out: str | os.PathLike[str],
    *,
    skip: int = 0,
    unprofiled: int = 0,
    images: int | None = None,
    peaks: bool | None = None,
    force: bool = False,
    **options: bool,
) -> Iterator[Run]:
    """Profile the calls of `pipe` inside the block, and write their trace to `out`.

    `pipe` is a diffusers pipeline, or any `nn.Module`. Of its calls inside the block the first `skip` are
    left out, then `unprofiled` are timed without the profiler, and `images`, or all that follow, are
    profiled. Where `images` says how many, half of the `unprofiled` are timed after them. The pipeline's
    parts and denoising steps have their names in the trace, and the trace says
    what the pipeline is. A name that ends in `.gz` compresses.

    `peaks` measures what the card can do, after all calls; by default on a GPU. `options` are those of
    `torch.profiler.profile`: `record_shapes` and `with_flops` (on), `with_stack`, `profile_memory` (off).

    Raises OutputError when `out` exists and `force` is off; CollectError when the trace cannot be written, or
    the block held no call to be profiled.

        from sdtrace_collector import profile

        with profile(pipe, "mine.json", skip=2, unprofiled=3) as run:
            for _ in range(7):
                pipe("a horse")
        run.analysis.findings
    """
    target = Path(out)
    check_targets([target], force=force)
    plan = Plan(skip, unprofiled, ALL if images is None else images)
    with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
        recorder = Recorder(plan, ProfilerOptions(**options), Path(folder))
        end = see_calls(type(pipe), recorder.around, only=pipe)
        try:
            yield Run(target)
        finally:
            end()
            recorder.finish()
            if recorder.trace.is_file():
                write_trace(recorder.trace, facts_of(recorder, None, peaks=peaks), target, force=force)
        if not recorder.trace.is_file():
            raise CollectError(_why_nothing(recorder))


def profile_call(  # noqa: PLR0913 - each is one thing to choose
    call: Callable[[], Any],
    pipe: Any = None,
    out: str | os.PathLike[str] | None = None,
    *,
    images: int = 2,
    unprofiled: int = 5,
    skip: int = 2,
    cold: bool = False,
    peaks: bool | None = None,
    force: bool = False,
    **options: bool,
) -> sdtrace.Analysis:
    """Make a call until it is warm, timed without the profiler, and profiled; returns the analysis.

    `skip` calls come first, to be warm; then `images` are profiled, and `unprofiled` are timed without the
    profiler, half of them before and half after. With `cold` none is left out and the profiled ones come
    first: compiling is in the profile. `pipe` is the pipeline that `call` calls, for the names of its parts.
    The trace is kept where `out` says.

    `peaks`, `force` and `options` are those of `profile`, and so is what it raises.

        from sdtrace_collector import profile_call

        a = profile_call(lambda: pipe("a horse", num_inference_steps=20), pipe, out="mine.json")
        a.unprofiled_wall_us, a.components
    """
    plan = Plan(0 if cold else skip, unprofiled, images, cold=cold)
    with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
        target = Path(folder, "call.json") if out is None else Path(out)
        check_targets([target], force=force)
        recorder = Recorder(plan, ProfilerOptions(**options), Path(folder))
        end = see_calls(type(pipe), lambda _, *called: recorder.within(*called), only=pipe)
        try:
            for _ in range(plan.calls):
                recorder.around("call", call, (), {}, None)
        finally:
            end()
            recorder.finish()
        if not recorder.trace.is_file():
            raise CollectError(_why_nothing(recorder))
        write_trace(recorder.trace, facts_of(recorder, None, peaks=peaks), target, force=force)
        return sdtrace.load(target)


def _why_nothing(recorder: Recorder) -> str:
    if recorder.problem:
        return f"{recorder.problem}; end your own profiler first"
    made, first = sum(recorder.calls.values()), recorder.plan.skip + recorder.plan.timed_before
    return f"nothing was profiled: {made} calls were made, and the first {first} are not; make more calls"
