"""A real run of the tiny model on the CPU, made once; and how tests make others."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from sdtrace_collector import cli, launch
from sdtrace_collector.tune import script_bench
from tests.collector.command import collect
from tests.forks import parent_of

_NEEDED = ("sdtrace_collector.run", "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion")
"""What a worker imports, which takes five seconds."""


@dataclass(frozen=True)
class Collected:
    """A trace that `sdtrace collect` wrote, parsed, and what the command printed."""

    path: Path
    trace: dict[str, Any]
    stdout: str
    stderr: str

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.trace["sdtrace"]
        return facts

    def spans(self, name: str, category: str = "user_annotation") -> list[tuple[float, float]]:
        """Start and end in microseconds of the complete events so named, in order."""
        events = self.trace["traceEvents"]
        found = [e for e in events if e.get("ph") == "X" and e.get("cat") == category and e["name"] == name]
        return sorted((e["ts"], e["ts"] + e["dur"]) for e in found)


Span = tuple[float, float]


def holds(outer: Span, inner: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def collected(path: Path, *arguments: str, **environment: str) -> Collected:
    result = collect("--device", "cpu", "-o", path, *arguments, memory=None, **environment)
    assert result.returncode == 0, result.stderr
    return _parsed(path, result.stdout, result.stderr)


def collected_by_fork(path: Path, *arguments: str) -> Collected:
    """The same, where the command runs in this process and its worker is a fork."""
    with pytest.MonkeyPatch.context() as patch:
        fork_workers(patch)
        result = CliRunner().invoke(cli.collect, ["--device", "cpu", "-o", str(path), *arguments])
    assert result.exit_code == 0, result.output
    return _parsed(path, result.stdout, result.stderr)


def fork_workers(patch: pytest.MonkeyPatch) -> None:
    """Workers are processes as before, forked from one that has imported torch.

    Runs that are cold, warm, killed or interrupted start theirs as a user's do; so do one run that ends well
    and one script.
    """
    if sys.platform != "linux":
        return
    patch.setenv("OMP_NUM_THREADS", "1")
    forking = SimpleNamespace(**{name: getattr(subprocess, name) for name in ("PIPE", "STDOUT", "DEVNULL")})
    forking.Popen = parent_of(*_NEEDED).popen
    for module in (launch, script_bench):
        patch.setattr(module, "subprocess", forking)


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_workers(monkeypatch)


def _parsed(path: Path, stdout: str, stderr: str) -> Collected:
    raw = path.read_bytes()
    trace = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return Collected(path, trace, stdout, stderr)


@pytest.fixture(scope="session")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    folder = tmp_path_factory.mktemp("eager")
    return collected(folder / "fp32_eager.json", "--variant", "fp32_eager", "--steps", "2", "--golden")
