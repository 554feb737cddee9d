"""Measurements as Markdown."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Usage


class Row(NamedTuple):
    """One thing measured."""

    name: str
    nbytes: int
    """Size of the input; 0 when there is none."""
    usage: Usage


def peers_table(rows: Sequence[Row]) -> str:
    """Time and memory with ratios to the first row."""
    ours = rows[0].usage
    lines = [
        "| tool | time | ratio | CPU time | ratio | peak memory | ratio | others | |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        used = row.usage
        ratios = [
            "-" if used.failure else f"{theirs / mine:.1f}"
            for theirs, mine in (
                (used.wall_s, ours.wall_s),
                (used.cpu_s, ours.cpu_s),
                (used.peak_mb, ours.peak_mb),
            )
        ]
        cells = (
            row.name,
            f"{used.wall_s:.2f} s",
            ratios[0],
            f"{used.cpu_s:.2f} s",
            ratios[1],
            _memory(used),
            ratios[2],
            f"{used.others:.1f}",
            _failure(used),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def speed_table(rows: Sequence[Row]) -> str:
    """Time, processor time, memory and speed, with ratios to the first row."""
    first = rows[0].usage
    lines = [
        "| input | size | time | ratio | CPU time | ratio | speed | peak memory | others | |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        used = row.usage
        cells = (
            row.name,
            f"{row.nbytes / 1e6:,.0f} MB" if row.nbytes else "",
            f"{used.wall_s:.2f} s",
            f"{used.wall_s / first.wall_s:.2f}",
            f"{used.cpu_s:.2f} s",
            f"{used.cpu_s / first.cpu_s:.2f}",
            f"{row.nbytes / 1e6 / used.wall_s:,.0f} MB/s" if row.nbytes else "",
            _memory(used),
            f"{used.others:.1f}",
            _failure(used),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def stages_table(trace: Path, runs: int) -> str:
    """Our own time by stage: medians over `runs`, each in a process of its own."""
    told = [_stages(trace) for _ in range(runs)]
    medians = {name: statistics.median(run.get(name, 0.0) for run in told) for name in told[0]}
    whole = sum(medians.values())
    lines = ["| stage | time | share |", "|---|---:|---:|"]
    lines += [f"| {name} | {1000 * s:,.0f} ms | {s / whole:.0%} |" for name, s in medians.items()]
    return "\n".join([*lines, f"| all | {1000 * whole:,.0f} ms | |"])


def _stages(trace: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.stages", str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _failure(used: Usage) -> str:
    said = used.failure.replace("|", "/")
    return f"failed: `{said}`" if said else ""


def _memory(used: Usage) -> str:
    return f"{used.peak_mb / 1000:.2f} GB" if used.peak_mb >= 1000 else f"{used.peak_mb:.0f} MB"
