"""Sees every call that counts, and leaves it alone, times it or profiles it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sdtrace_collector.devices import wait_for_devices
from sdtrace_collector.protocol import ProfilerOptions
from sdtrace_collector.script.call_facts import CallFacts, facts_of_call
from sdtrace_collector.script.pipeline_facts import PipelineFacts, describe
from sdtrace_collector.script.plan import Part, Plan
from sdtrace_collector.script.profiling import Profiling
from sdtrace_collector.script.randomness import Randomness
from sdtrace_collector.script.turns import Turns

Call = Callable[..., Any]


class Recorder:
    """Goes by a plan; an iteration of it is a turn of calls, mostly one call.

    `walls` are seconds by what became of the iterations; `calls` counts calls by class or function. `problem`
    says in a line why nothing could be profiled, '' where nothing stood in the way.
    """

    def __init__(self, plan: Plan, options: ProfilerOptions, folder: Path) -> None:
        self.plan, self.options = plan, options
        self.trace = folder / "trace.json"
        self.walls: dict[Part, list[float]] = {"left out": [], "timed": [], "profiled": []}
        self.calls: Counter[str] = Counter()
        self.problem = ""
        self.cold = plan.cold
        self.profiled: CallFacts | None = None
        self.described: dict[int, PipelineFacts] = {}
        self.pipelines = 0
        self.iterations = 0
        self._turns = Turns()
        self._part: Part = "left out"
        self._begin_s = self._end_s = 0.0
        self._profiling: Profiling | None = None
        self._first: Profiling | None = None
        self._is_over = False
        self._inside: int | None = None

    def around(self, name: str, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], pipe: Any) -> Any:
        """Makes a call that counts, unless it lies within another or runs beside one."""
        if self._inside is not None:
            return self.within(call, args, kwargs, pipe)
        self.calls[name] += 1
        self._inside = threading.get_ident()
        try:
            if self._is_over:
                return call(*args, **kwargs)
            if self.plan.repeat:
                return self._repeated(call, args, kwargs, pipe)
            return self._counted(call, args, kwargs, pipe)
        finally:
            self._inside = None

    def within(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], pipe: Any) -> Any:
        """Makes a call that does not count: of a pipeline within one that does."""
        if self._profiling is None or self._inside != threading.get_ident():
            return call(*args, **kwargs)
        with self._profiling.named(pipe):
            result = call(*args, **kwargs)
        self._remember(facts_of_call(call, args, kwargs, result), pipe)
        return result

    def finish(self) -> None:
        """No call comes any more: ends what is open, and writes the trace of what was profiled.

        That is the first call where no later one was reached, and part of a call where it failed.
        """
        self._close()
        running = self._profiling
        self._stop()
        if self._first is not None:
            self.cold = True
            self.walls["profiled"] = [self.walls["left out"].pop(0)]
            self._first.write(self.trace)
        elif running is not None and not self.walls["profiled"]:
            running.write(self.trace)
        self._first, self._is_over = None, True

    def _repeated(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], pipe: Any) -> Any:
        """Makes the call, then again until the plan is done. The result, and randomness, are of the first."""
        randomness = Randomness((*args, *kwargs.values()))
        result = self._counted(call, args, kwargs, pipe)
        with randomness.repeated() as rewind:
            while self.iterations < self.plan.calls and not self._is_over:
                rewind()
                self._counted(call, args, kwargs, pipe)
                self._close()
        return result

    def _counted(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], pipe: Any) -> Any:
        if self._turns.begins_with(id(pipe)):
            self._close()
            self._open()
            if self._is_over:
                return call(*args, **kwargs)
        profiling = self._profiling
        try:
            with nullcontext() if profiling is None else profiling.named(pipe):
                result = call(*args, **kwargs)
        except BaseException:
            self._abandon()
            raise
        wait_for_devices()
        self._end_s = time.perf_counter()
        if profiling is not None:
            self._remember(facts_of_call(call, args, kwargs, result), pipe)
        if self._turns.ends_now(self.pipelines):
            self._close()
        return result

    def _open(self) -> None:
        """An iteration begins: the clock starts, and the profiler before it where it is its turn."""
        self._part = self.plan.part_of(self.iterations)
        if self._part == "after":
            self._stop()
            self._is_over = True
            return
        tries = self.plan.try_first and self.iterations == 0 and self._part == "left out"
        if self._profiling is None and (self._part == "profiled" or tries):
            self._first = None
            self._start()
        wait_for_devices()
        self._begin_s = time.perf_counter()
        self._end_s = 0.0
        if self._profiling is not None:
            self._profiling.begin()

    def _close(self) -> None:
        """The iteration that is open ended with its last call."""
        if not self._end_s:
            return
        if self._profiling is not None:
            self._profiling.end()
        self.walls[self._part].append(self._end_s - self._begin_s)
        self._end_s = 0.0
        self.iterations += 1
        if self._profiling is not None and self.plan.part_of(self.iterations) != "profiled":
            self._stop()

    def _abandon(self) -> None:
        """The call failed; the script may go on, and the same number is tried again."""
        self._turns.abandon()
        self._end_s = 0.0
        if self._profiling is not None:
            self._profiling.end()

    def _start(self) -> None:
        self.profiled, self.described = None, {}
        try:
            self._profiling = Profiling(self.options)
        except RuntimeError as error:
            self._complain("start", error)

    def _stop(self) -> None:
        """Ends the profile. That of a first call which is not yet needed stays in memory."""
        profiling, self._profiling = self._profiling, None
        if profiling is None:
            return
        try:
            profiling.stop()
            if self.walls["profiled"]:
                profiling.write(self.trace)
            elif self.iterations:
                self._first = profiling
        except RuntimeError as error:  # a profiler of the script took its place
            self._complain("end well", error)

    def _complain(self, what: str, error: RuntimeError) -> None:
        """The script goes on all the same."""
        self.problem = f"the profiler did not {what}: {str(error).splitlines()[0]}"

    def _remember(self, called: CallFacts, pipe: Any) -> None:
        """What is known of a profiled call; of its pipeline once, and now: later it may be gone."""
        if self.profiled is None or self.profiled.steps is None:
            self.profiled = called
        if pipe is not None and id(pipe) not in self.described:
            self.described[id(pipe)] = describe(pipe)
