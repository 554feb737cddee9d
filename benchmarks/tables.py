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
        "| tool | time | peak memory | times our time | times our memory | load | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        used = row.usage
        ratios = f"{used.wall_s / ours.wall_s:.1f} | {used.peak_mb / ours.peak_mb:.1f}"
        if used.failure:
            ratios = "- | -"
        said = used.failure.replace("|", "/") and f"failed: `{used.failure.replace('|', '/')}`"
        lines.append(
            f"| {row.name} | {used.wall_s:.2f} s | {_memory(used)} | {ratios} | {used.load:.1f} | {said} |"
        )
    return "\n".join(lines)


def speed_table(rows: Sequence[Row]) -> str:
    """Time, processor time, memory and speed, with ratios to the first row."""
    first = rows[0].usage
    lines = [
        "| input | size | time | of the first | CPU time | speed | peak memory | load |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        used = row.usage
        size = f"{row.nbytes / 1e6:,.0f} MB" if row.nbytes else ""
        speed = f"{row.nbytes / 1e6 / used.wall_s:,.0f} MB/s" if row.nbytes else ""
        cells = (
            row.name,
            size,
            f"{used.wall_s:.2f} s",
            f"{used.wall_s / first.wall_s:.2f}",
            f"{used.cpu_s:.2f} s",
            speed,
        )
        lines.append(
            f"| {' | '.join(cells)} | {_memory(used)} | {used.load:.1f} | {used.failure}".rstrip(" |") + " |"
        )
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


def _memory(used: Usage) -> str:
    return f"{used.peak_mb / 1000:.2f} GB" if used.peak_mb >= 1000 else f"{used.peak_mb:.0f} MB"
