"""The tables of docs/study.md, from the files in docs/study: `python -m benchmarks.study_table`.

Each report is what `sdtrace analyze --format json` wrote for one run of `sdtrace collect` on an H200; those
in `h100` are of an H100. `large` holds those at 1024x1024, `again` the base measured once more right after
`fastest`, `tried` what was no gain, `options` those that differ in the profiler's options alone, and `cost`
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
LARGE_MODELS = ("sdxl", "sd3")
AUTOTUNE = ("CachingAutotuner.benchmark_all_configs", "_template_autotuning")
"""How the names of torch's stages end in which it tries kernels: its own Triton kernels, and GEMMs."""
COMPILE = "_compile.compile_inner"
PEAK_TFLOPS = 790.0
"""The roofline that the study's aims were set against, in bf16. No measurement of it is kept."""
COUNTED = ("aten::conv2d", "aten::linear", "aten::baddbmm", "aten::bmm", "aten::scaled_dot_product_attention")
"""Ops that between them do every FLOP once: none of them calls another one that is counted."""


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
    gpu = trace.steady.gpu_median_us if trace.steady else median(each.gpu_us for each in trace.iterations)
    gpu /= 1e6
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
        autotune=sum(seconds for stage, seconds in times.items() if stage.endswith(AUTOTUNE)),
        paid_once=sum(run["warmup_wall_s"]) - len(run["warmup_wall_s"]) * steady,
    )


def break_even(row: Row, base: Row) -> str:
    """From which image on a run is ahead of the base, what each pays once counted in."""
    saving = base.steady / base.batch - row.steady / row.batch
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
        speed = base.steady / base.batch / each
        lines.append(
            f"| `{row.name}` | {each:.3f} ± {row.spread / 2 / row.batch:.3f} | {speed:.2f} | "
            f"{row.gpu / row.batch:.3f} | {row.busy_pct:.0f} % | {row.launches:,} | {row.memory_mib:,.0f} | "
            f"{row.compile:.1f} | {row.autotune:.1f} | {break_even(row, base)} |"
        )
    return lines


def tflop_an_image(path: Path) -> float:
    """Counted from the shapes in an eager trace of one image at batch 1."""
    return sum(op.flops for op in read_report(path).ops if op.name in COUNTED) / 1e12


def hardware_table(rows: dict[str, Row], again: Row, tflop: float) -> list[str]:
    """What was aimed for and what was reached, at batch 1 and 8."""
    base, one, eight = rows[BASE], rows["fastest"], rows["fastest_b8"]
    share = tflop / PEAK_TFLOPS / (eight.steady / eight.batch)
    return [
        "| | aim | reached |",
        "|---|--:|--:|",
        f"| `fastest` against `{BASE}`, batch 1 | 8x | {base.steady / one.steady:.2f}x |",
        f"| the same, `{BASE}` measured right after it | 8x | {again.steady / one.steady:.2f}x |",
        f"| the same, GPU time alone | | {again.gpu / one.gpu:.2f}x |",
        f"| share of the roofline at batch 8 | 50 % | {100 * share:.1f} % |",
        f"| by hand before: CUDA graphs and channels_last, batch 1 | 0.395 s | {one.steady:.3f} s |",
        f"| by hand before: with fused QKV, 8 images | 1.825 s | {eight.steady:.3f} s |",
    ]


def standing_table(one: TraceReport, eight: TraceReport, base: TraceReport) -> list[str]:
    """Device time of an image by what it does, at batch 1 and 8, and what the roofline would allow."""
    flops = {op.name: op.flops for op in base.ops if op.name in COUNTED}
    attention = flops["aten::baddbmm"] + flops["aten::bmm"]
    kinds = {
        "convolutions and matmuls": (("convolution", "gemm"), sum(flops.values()) - attention),
        "attention": (("attention_cudnn", "attention_efficient"), attention),
        "fused kernels": (("fused_triton",), 0),
    }
    lines = [
        "| ms an image | batch 1 | batch 8 | at the roofline |",
        "|---|--:|--:|--:|",
    ]
    for kind, (categories, count) in kinds.items():
        least = f"{count / PEAK_TFLOPS / 1e9:.1f}" if count else "-"
        spent = [
            sum(item.gpu_us for item in report.categories if item.category in categories) / 1000
            for report in (one, eight)
        ]
        lines.append(f"| {kind} | {spent[0]:.1f} | {spent[1] / 8:.1f} | {least} |")
    gaps = [
        sum(item.us for item in report.idle if item.cause == "device_gap") / 1000 for report in (one, eight)
    ]
    return [*lines, f"| gaps between queued kernels | {gaps[0]:.1f} | {gaps[1] / 8:.1f} | - |"]


def large_roofline_table(folder: Path, models: Sequence[str]) -> list[str]:
    """FLOPs of the large models' images, and the share of the roofline that they run at in 16 bits."""
    lines = [
        f"| model | TFLOP an image | s at {PEAK_TFLOPS:.0f} TFLOP/s | s reached | share |",
        "|---|--:|--:|--:|--:|",
    ]
    for model in models:
        tflop = tflop_an_image(folder / f"{model}_{LARGE_BASE}.json.gz")
        least = tflop / PEAK_TFLOPS
        rows = read_rows(folder).items()
        reached = min(row.steady for name, row in rows if name.startswith(model) and "fp8" not in name)
        lines.append(
            f"| {model} | {tflop:.0f} | {least:.2f} | {reached:.3f} | {100 * least / reached:.0f} % |"
        )
    return lines


def norms_table(rows: Sequence[Row], reports: Sequence[TraceReport]) -> list[str]:
    """What group norms and text encoders change: where device time goes, and how long the device waits."""
    lines = [
        "| run | s a batch | GPU ms | fused kernels | their ms | gaps in the queue, ms | queue empty, ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row, report in zip(rows, reports, strict=True):
        fused = next(item for item in report.categories if item.category == "fused_triton")
        idle = {item.cause: item.us / 1000 for item in report.idle}
        lines.append(
            f"| `{row.name}` | {row.steady:.3f} | {row.gpu * 1000:.0f} | {fused.calls:,} | "
            f"{fused.gpu_us / 1000:.0f} | {idle['device_gap']:.1f} | {idle['launch_bound']:.1f} |"
        )
    return lines


def inductor_table(path: Path) -> list[str]:
    """One call of the denoiser with options of Inductor that `fastest` does not set."""
    lines = [
        "| option of Inductor | ms a call, fastest | median | fused kernels | kernels |",
        "|---|--:|--:|--:|--:|",
    ]
    for run in msgspec.json.decode(path.read_bytes()):
        times: list[float] = run["ms"]
        lines.append(
            f"| `{run['option']}` | {min(times):.2f} | {median(times):.2f} | "
            f"{run['fused_kernels']} | {run['kernels']} |"
        )
    return lines


BEGINNING_S = {
    "fp32_eager": (465.4, 465.4),
    "fp32_compile": (204.6, 193.7),
    "fp32_sdpa": (261.9, 252.0),
    "fp32_inference_mode": (202.2, 190.7),
    "bf16": (91.8, 80.8),
    "fp16": (96.7, 85.3),
    "bf16_sdpa": (94.0, 34.7),
}
"""Wall and "Self CUDA" of the seven tables from an RTX 4060 that the study began with, as pasted."""


def beginning_table(rows: dict[str, Row]) -> list[str]:
    """The seven runs as they were first measured, and the same ratios today."""
    lines = [
        "| run | wall s | Self CUDA s | ratio of walls | ours, steady | ours, GPU time |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    base = rows[BASE]
    for name, (wall, device) in BEGINNING_S.items():
        row = rows[name]
        lines.append(
            f"| {name} | {wall} | {device} | {BEGINNING_S[BASE][0] / wall:.2f} | "
            f"{base.steady / row.steady:.2f} | {base.gpu / row.gpu:.2f} |"
        )
    return lines


OPTIONS = {
    "none": "none (`--no-record-shapes`)",
    "shapes": "shapes (the default)",
    "stack": "stack (`--with-stack`, no shapes)",
    "memory": "memory (`--profile-memory`, no shapes)",
    "all": "all three",
}


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
            f"| {OPTIONS[name]} | {without:.3f} | {profiled:.3f} | {profiled / without:.1f} | "
            f"{trace.events.total:,} | {size / 1e6:.1f} |"
        )
    return lines


def cost_table(folder: Path) -> list[str]:
    """Images timed by the collector and by a bare loop, by turns."""
    lines = ["| variant | collector s | bare loop s | ratio | larger spread |", "|---|--:|--:|--:|--:|"]
    for path in sorted(folder.glob("*.json")):
        told = msgspec.json.decode(path.read_bytes())
        walls: dict[str, list[float]] = told["wall_s"]
        ours, bare = median(walls["collector"]), median(walls["bare"])
        spread = max((max(times) - min(times)) / median(times) for times in walls.values())
        lines.append(
            f"| `{told['variant']}` | {ours:.4f} | {bare:.4f} | {ours / bare:.3f} | {100 * spread:.0f} % |"
        )
    return lines


H100_GROUPS = (
    ("flux_bf16_sdpa_eager", "flux", False),
    ("sdxl_fastest", "sdxl", False),
    ("sdxl_fastest_b8", "sdxl", True),
    ("sd15_fastest", "sd15", False),
)
"""Base, model and whether batched: what is compared with what."""
PUBLISHED = (
    ("FLUX.1-dev, 28 steps, H200: sglang, FlashAttention 3, compiled", 3.50, "flux_fastest_fp8"),
    ("FLUX.1-dev, 28 steps, H200: diffusers, FlashAttention 3, compiled", 3.73, "flux_fastest_regional"),
    ("FLUX.1-dev, 28 steps, H200: with a lossy cache", 2.38, "flux_fastest_fp8"),
    ("SDXL, 20 steps, H200, batched: TensorRT in 8 bits, MLPerf v5.1", 1 / 2.40, "sdxl_fastest_fp8_b8"),
    ("SD 1.5, 50 steps, H100: stable-fast, scaled to the card", 0.48, "sd15_fastest_fp8"),
)
"""What others published, seconds an image, and the run of ours beside it."""


def published_table(rows: dict[str, Row]) -> list[str]:
    """Seconds an image that others published, and ours on an H100."""
    lines = ["| published | s an image | ours | s an image | ratio |", "|---|--:|---|--:|--:|"]
    for what, seconds, name in PUBLISHED:
        ours = rows[name].steady / rows[name].batch
        lines.append(f"| {what} | {seconds:.3f} | `{name}` | {ours:.3f} | {ours / seconds:.2f} |")
    return lines


KINDS = {
    "matmuls": ("gemm",),
    "attention": ("attention_cudnn", "attention_efficient"),
    "convolutions": ("convolution",),
    "fused kernels": ("fused_triton",),
    "other kernels, op by op": ("activation_elementwise", "layout", "normalization", "reduction"),
}


def kinds_table(names: Sequence[str], folder: Path) -> list[str]:
    """Where the device time of an image goes, in milliseconds, and the gaps between queued kernels."""
    reports = {name: read_report(folder / f"{name}.json.gz") for name in names}
    lines = [
        f"| ms an image | {' | '.join(f'`{name}`' for name in names)} |",
        f"|---|{'--:|' * len(names)}",
    ]
    for kind, categories in KINDS.items():
        spent = [
            sum(item.gpu_us for item in report.categories if item.category in categories)
            / 1000
            / report.run["batch"]
            for report in reports.values()
        ]
        lines.append(f"| {kind} | {' | '.join(f'{ms:,.0f}' for ms in spent)} |")
    gaps = [
        sum(item.us for item in report.idle if item.cause == "device_gap") / 1000 / report.run["batch"]
        for report in reports.values()
    ]
    return [*lines, f"| gaps between queued kernels | {' | '.join(f'{ms:,.0f}' for ms in gaps)} |"]


def h100_tables() -> list[list[str]]:
    """FLUX and 8 bits, on an H100."""
    folder = REPORTS / "h100"
    rows = read_rows(folder)
    made = []
    for base, model, batched in H100_GROUPS:
        mine = [row for name, row in rows.items() if name.startswith(model) and (row.batch > 1) == batched]
        made.append(runs_table(mine, rows[base]))
    made.append(published_table(rows))
    flux = ("flux_bf16_sdpa_eager", "flux_fastest_regional", "flux_fastest_fp8")
    made.append(kinds_table(flux, folder))
    made.append(kinds_table(("sdxl_fastest_b8", "sdxl_fastest_fp8_b8"), folder))
    made.append(large_roofline_table(folder, ("flux",)))
    return made


def tables() -> list[list[str]]:
    """Every table of the page, in its order."""
    rows, large, tried = (read_rows(folder) for folder in (REPORTS, REPORTS / "large", REPORTS / "tried"))
    again = read_row(REPORTS / "again" / f"{BASE}.json.gz")
    made = [runs_table(list(rows.values()), rows[BASE])]
    for model in LARGE_MODELS:
        mine = [row for name, row in large.items() if name.startswith(model)]
        made.append(runs_table(mine, large[f"{model}_{LARGE_BASE}"]))
    made.append(large_roofline_table(REPORTS / "large", LARGE_MODELS))
    made += h100_tables()
    compared = [
        name
        for batch in ("", "_b8")
        for name in (f"fastest_module_norm{batch}", f"fastest{batch}", f"fastest_by_row{batch}")
    ]
    folders = {**dict.fromkeys(rows, REPORTS), **dict.fromkeys(tried, REPORTS / "tried")}
    reports = [read_report(folders[name] / f"{name}.json.gz") for name in compared]
    made.append(norms_table([{**rows, **tried}[name] for name in compared], reports))
    made.append(hardware_table(rows, again, tflop_an_image(REPORTS / f"{BASE}.json.gz")))
    kept = [read_report(REPORTS / f"{name}.json.gz") for name in ("fastest", "fastest_b8", BASE)]
    made.append(standing_table(*kept))
    made.append(inductor_table(REPORTS / "tried" / "inductor_options.json"))
    made += [cost_table(REPORTS / "cost"), options_table(REPORTS / "options"), beginning_table(rows)]
    return made


def main() -> None:
    """Print the tables as Markdown."""
    print("\n\n".join("\n".join(table) for table in tables()))


if __name__ == "__main__":
    main()
