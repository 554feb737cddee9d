"""A real run of the tiny model on the CPU, made once; and how tests make others."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collector.command import collect


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
    raw = path.read_bytes()
    trace = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return Collected(path, trace, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    folder = tmp_path_factory.mktemp("eager")
    return collected(folder / "fp32_eager.json", "--variant", "fp32_eager", "--golden")
