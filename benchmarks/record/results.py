"""What a folder of recorded scenes holds, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.record.catalog import SCENES

_HEAD: Final = ("scene.setting", "runs", "median, ms", "lowest", "highest", "trace, MB", "")


def table(folder: Path, scenes: Sequence[str]) -> str:
    """A line for each setting: runs, median and range of its walls, its trace's size, what went wrong."""
    rows = [_HEAD, *(row for scene in scenes for row in _rows(folder, scene))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def _rows(folder: Path, scene: str) -> Iterator[tuple[str, ...]]:
    path = folder / f"{scene}.truth.json"
    truth = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    before, after, notes = (truth.get(key, {}) for key in ("walls_s", "walls_after_s", "notes"))
    for setting in SCENES[scene].settings:
        walls = [1000 * wall for wall in (*before.get(setting, ()), *after.get(setting, ()))]
        figures = [f"{value:.1f}" for value in (median(walls), min(walls), max(walls))] if walls else [""] * 3
        trace = folder / f"{scene}.{setting}.json.gz"
        size = f"{trace.stat().st_size / 1e6:.2f}" if trace.exists() else ""
        yield (f"{scene}.{setting}", str(len(walls)), *figures, size, notes.get(setting, ""))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *figures, last = (
        cell.ljust(width) if place in (0, len(row) - 1) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join((first, *figures, last)).rstrip()
