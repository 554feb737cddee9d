"""Runs one point on the axes in a process of its own: its walls, its picture, its trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import sdtrace
from sdtrace_collector.launch import run_variant
from sdtrace_collector.progress import shown
from sdtrace_collector.protocol import RunFacts, Spec
from sdtrace_collector.targets import Target, targets_for
from sdtrace_collector.tune.space import Point
from sdtrace_collector.variants import Axes


class Measured(NamedTuple):
    """A run: what it says of itself (`RunFacts` or `ScriptFacts`), its first image and its trace."""

    facts: Any
    picture: NDArray[np.float32]
    trace: Path


class Bench:
    """Runs what `spec` says, with other axes, and keeps the files in `folder`."""

    def __init__(self, spec: Spec, folder: Path, *, force: bool) -> None:
        self._spec, self._folder, self._force = spec, folder, force

    def measure(self, name: str, point: Point) -> Measured:
        """Times images without the profiler, then profiles some. The card is measured the first time.

        Raises:
            SetupFailed: nothing can run here.
            VariantFailed: this cannot.
        """
        target = targets_for([name], self._folder, gzip=True)[name]
        facts = self._run(msgspec.structs.replace(self._spec, variant=name, axes=Axes(**point)), target)
        self._spec = msgspec.structs.replace(self._spec, known_peaks=facts.peaks)
        return Measured(facts, np.load(target.picture), target.trace)

    def again(self, name: str, point: Point) -> list[float]:
        """Wall seconds of images in one more process, without the profiler. Raises as `measure` does."""
        spec = msgspec.structs.replace(
            self._spec,
            variant=name,
            axes=Axes(**point),
            images=0,
            picture=False,
            peaks=False,
            known_peaks=None,
        )
        facts = self._run(spec, targets_for([name], self._folder, gzip=True)[name])
        return facts.unprofiled_wall_s

    def study(self, trace: Path) -> sdtrace.Analysis:
        """The analysis of a run's trace. Raises UnreadableTrace."""
        return sdtrace.load(trace)

    def _run(self, spec: Spec, target: Target) -> RunFacts:
        with shown(spec.variant) as show:
            return run_variant(spec, target, show, force=self._force)
