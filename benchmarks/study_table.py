"""The table of docs/study.md, from the reports in docs/study: `python -m benchmarks.study_table`.

Each report is what `sdtrace analyze --format json` wrote for one run of `sdtrace collect` on an H200.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from sdtrace.model import Report, TraceReport

REPORTS = Path(__file__).parents[1] / "docs" / "study"
BASE = "fp32_eager"
AUTOTUNE = "CachingAutotuner.benchmark_all_configs"
COMPILE = "_compile.compile_inner"


class Row(NamedTuple):
    """One run; seconds, except where the name says otherwise. One iteration makes `batch` images."""

    name: str
    batch: int
    steady: float
    spread: float
    gpu: float
    busy_pct: float
    launches: int
    memory_mib: float
    compile: float
    autotune: float
    paid_once: float


def read_row(path: Path) -> Row:
    """Everything the table shows of one report."""
    report = msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Report)
    return row_of(path.name.removesuffix(".json.gz"), report.traces[0])


def row_of(name: str, trace: TraceReport) -> Row:
    """A row from a report and the run's facts inside it."""
    run: dict[str, Any] = trace.run
    walls: list[float] = run["unprofiled_wall_s"]
    steady = median(walls)
    gpu = (trace.steady.gpu_median_us if trace.steady else 0.0) / 1e6
    times = run["dynamo_compile_times"]
    return Row(
        name=name,
        batch=run["batch"],
        steady=steady,
        spread=max(walls) - min(walls),
        gpu=gpu,
        busy_pct=100 * gpu / steady,
        launches=trace.gpu.launches // len(run["profiled_wall_s"]),
        memory_mib=run["peak_memory_bytes"] / 2**20,
        compile=times.get(COMPILE, 0.0),
        autotune=times.get(AUTOTUNE, 0.0),
        paid_once=sum(run["warmup_wall_s"]) - len(run["warmup_wall_s"]) * steady,
    )


def break_even(row: Row, base: Row) -> str:
    """From which image on a run is ahead of the base, what each pays once counted in."""
    saving = base.steady - row.steady / row.batch
    if row.name == base.name or saving <= 0:
        return "-"
    return f"{max(1, round((row.paid_once - base.paid_once) / saving + 0.5))}"


def main() -> None:
    """Print the table as Markdown."""
    rows = {row.name: row for row in map(read_row, sorted(REPORTS.glob("*.json.gz")))}
    base = rows[BASE]
    print("| run | s an image | speed | GPU s | busy | launches | MiB | compile s | autotune s | pays from |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for row in sorted(rows.values(), key=lambda row: -row.steady / row.batch):
        each = row.steady / row.batch
        print(
            f"| `{row.name}` | {each:.3f} ± {row.spread / 2 / row.batch:.3f} | {base.steady / each:.2f} | "
            f"{row.gpu / row.batch:.3f} | {row.busy_pct:.0f} % | {row.launches:,} | {row.memory_mib:,.0f} | "
            f"{row.compile:.1f} | {row.autotune:.1f} | {break_even(row, base)} |"
        )


if __name__ == "__main__":
    main()
