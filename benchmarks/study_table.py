"""The tables of docs/study.md, from the files in docs/study: `python -m benchmarks.study_table`.

Each report is what `sdtrace analyze --format json` wrote for one run of `sdtrace collect` on an H200.
`large` holds those at 1024x1024, `options` those that differ in the profiler's options alone, and `cost`
what `benchmarks.collector_cost` wrote.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from sdtrace.model import Report, TraceReport

REPORTS = Path(__file__).parents[1] / "docs" / "study"
BASE = "fp32_eager"
LARGE_BASE = "bf16_sdpa_eager"
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
    return row_of(path.name.removesuffix(".json.gz"), read_report(path))


def read_report(path: Path) -> TraceReport:
    """The one trace of a report."""
    return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Report).traces[0]


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


def read_rows(folder: Path) -> dict[str, Row]:
    """The runs whose reports are in a folder, by name."""
    return {row.name: row for row in map(read_row, sorted(folder.glob("*.json.gz")))}


def runs_table(rows: Sequence[Row], base: Row) -> list[str]:
    """The slowest first, each compared with `base`."""
    lines = [
        "| run | s an image | speed | GPU s | busy | launches | MiB | compile s | autotune s | pays from |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in sorted(rows, key=lambda row: -row.steady / row.batch):
        each = row.steady / row.batch
        lines.append(
            f"| `{row.name}` | {each:.3f} ± {row.spread / 2 / row.batch:.3f} | {base.steady / each:.2f} | "
            f"{row.gpu / row.batch:.3f} | {row.busy_pct:.0f} % | {row.launches:,} | {row.memory_mib:,.0f} | "
            f"{row.compile:.1f} | {row.autotune:.1f} | {break_even(row, base)} |"
        )
    return lines


def options_table(folder: Path) -> list[str]:
    """What each option of the profiler adds to an image and to the trace."""
    sizes = msgspec.json.decode((folder / "sizes.json").read_bytes(), type=dict[str, int])
    lines = [
        "| option | s an image without | with the profiler | ratio | events | MB, gzip |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, size in sizes.items():
        trace = read_report(folder / f"{name}.json.gz")
        without = median(trace.run["unprofiled_wall_s"])
        profiled = min(trace.run["profiled_wall_s"])
        lines.append(
            f"| {name} | {without:.3f} | {profiled:.3f} | {profiled / without:.1f} | "
            f"{trace.events.total:,} | {size / 1e6:.1f} |"
        )
    return lines


def cost_table(folder: Path) -> list[str]:
    """Images timed by the collector and by a bare loop, by turns."""
    lines = ["| variant | collector s | bare loop s | ratio | spread of one kind |", "|---|--:|--:|--:|--:|"]
    for path in sorted(folder.glob("*.json")):
        told = msgspec.json.decode(path.read_bytes())
        walls: dict[str, list[float]] = told["wall_s"]
        ours, bare = median(walls["collector"]), median(walls["bare"])
        spread = (max(walls["bare"]) - min(walls["bare"])) / bare
        lines.append(
            f"| `{told['variant']}` | {ours:.4f} | {bare:.4f} | {ours / bare:.3f} | {100 * spread:.0f} % |"
        )
    return lines


def main() -> None:
    """Print the tables as Markdown."""
    rows = read_rows(REPORTS)
    tables = [runs_table(list(rows.values()), rows[BASE])]
    large = read_rows(REPORTS / "large")
    for model in ("sdxl", "sd3"):
        mine = [row for name, row in large.items() if name.startswith(model)]
        tables.append(runs_table(mine, large[f"{model}_{LARGE_BASE}"]))
    tables += [options_table(REPORTS / "options"), cost_table(REPORTS / "cost")]
    print("\n\n".join("\n".join(table) for table in tables))


if __name__ == "__main__":
    main()
