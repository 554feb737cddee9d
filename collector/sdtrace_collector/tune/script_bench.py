"""Runs a script with settings put on its pipelines from outside, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

import sdtrace
from sdtrace_collector.errors import SetupFailed, VariantFailed
from sdtrace_collector.likeness import psnr_db
from sdtrace_collector.progress import shown
from sdtrace_collector.protocol import Stage
from sdtrace_collector.script.record import ScriptFacts
from sdtrace_collector.tune.bench import Measured
from sdtrace_collector.tune.script_worker import Order
from sdtrace_collector.tune.space import Point

_SKIP: Final = 3
"""Calls until it is warm: with CUDA graphs the third one still records some."""


_RAISED: Final = re.compile(
    r"^(?:sdtrace_collector\.errors\.(?:VariantFailed|DoesNotApply): (.+)"
    r"|([\w.]*(?:Error|Exception)\b.*))$",
    re.MULTILINE,
)
"""The last line of a traceback."""
_LEAST_DB: Final = 30.0
"""How like the pictures of two runs of one script must be: some kernels add in another order each time."""


class ScriptBench:
    """Runs a script with `images` calls profiled and `unprofiled` timed; keeps the files in `folder`."""

    def __init__(
        self, script: Path, arguments: list[str], folder: Path, *, images: int, unprofiled: int
    ) -> None:
        self._script, self._arguments, self._folder = script, arguments, folder
        self._images, self._unprofiled = images, unprofiled

    def measure(self, name: str, point: Point) -> Measured:
        """Times calls without the profiler, then profiles some.

        Raises:
            SetupFailed: the script calls no pipeline, or makes nothing that can be compared.
            VariantFailed: it failed.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        trace = self._folder / f"{name}.json.gz"
        picture = self._folder / f"{name}.picture.npy"
        picture.unlink(missing_ok=True)
        facts = self._run(name, point, self._images, trace, picture)
        if not picture.is_file():
            raise SetupFailed(f"{self._script.name}: its pipeline returns nothing that can be compared")
        return Measured(facts, np.load(picture), trace)

    def check_repeats(self, measured: Measured, point: Point) -> list[float]:
        """Runs the script once more as it was measured, and returns its walls.

        Raises:
            SetupFailed: it makes another picture each time, so that nothing can be said of a setting's.
            VariantFailed: it failed.
        """
        with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
            picture = Path(folder, "picture.npy")
            facts = self._run("once more", point, 0, Path(folder, "trace.json"), picture)
            likeness = psnr_db(np.load(picture), measured.picture)
        if not likeness >= _LEAST_DB:
            raise SetupFailed(
                f"{self._script.name} makes another picture each time ({likeness:.0f} dB): give the pipeline "
                "a generator with a seed, or call torch.manual_seed first"
            )
        return facts.unprofiled_wall_s

    def again(self, name: str, point: Point) -> list[float]:
        """Wall seconds of calls in one more process, without the profiler. Raises as `measure` does."""
        with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
            nowhere = Path(folder)
            return self._run(name, point, 0, nowhere / "trace.json", nowhere / "x.npy").unprofiled_wall_s

    def study(self, trace: Path) -> sdtrace.Analysis:
        """The analysis of a run's trace. Raises UnreadableTrace."""
        return sdtrace.load(trace)

    def _run(self, name: str, point: Point, images: int, trace: Path, picture: Path) -> ScriptFacts:
        with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder, shown(name) as show:
            facts, log = Path(folder, "facts.json"), Path(folder, "log")
            order = Order(
                script=str(self._script),
                arguments=self._arguments,
                settings=dict(point),
                skip=_SKIP,
                unprofiled=self._unprofiled,
                images=images,
                trace=str(trace),
                picture=str(picture),
                facts=str(facts),
            )
            show(Stage("the script runs"))
            code = _run_worker(order, log)
            told = msgspec.json.decode(facts.read_bytes(), type=ScriptFacts) if facts.is_file() else None
            if told is None or len(told.unprofiled_wall_s) < self._unprofiled:
                raise self._failure(code, log.read_text(encoding="utf-8", errors="replace"))
            return told

    def _failure(self, code: int, log: str) -> SetupFailed | VariantFailed:
        if "nothing to profile" in log:
            return SetupFailed(f"{self._script.name} called no diffusers pipeline; there is nothing to tune")
        raised = _RAISED.findall(log)
        return VariantFailed("".join(raised[-1]) if raised else f"the script ended with exit code {code}")


def _run_worker(order: Order, log: Path) -> int:
    """The exit code; at the end it and all that it started are gone."""
    words = [
        sys.executable,
        "-m",
        "sdtrace_collector.tune.script_worker",
        msgspec.json.encode(order).decode(),
    ]
    with log.open("wb") as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return process.wait()
        finally:
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
