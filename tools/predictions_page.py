"""docs/predictions.md, from the records in docs/predictions: every prediction and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from benchmarks import predictions
from benchmarks.predictions import Record

RECORDS: Final = Path(__file__).parents[1] / "docs" / "predictions" / "records.json"
_HEAD: Final = """# How predictions fared

sdtrace predicts two things: how long an image takes without the profiler, and how long it would take after a
change. This page holds every prediction for which there is a measurement, the worst ones first. None is left
out. `python -m benchmarks.predictions FOLDER` makes the records from traces and measured walls.

- **Measured**: the median without the profiler, and the range of the runs. Base and result were timed by
  turns in one process, 14 to 16 runs each, each scene on one H100. The fastest and the three slowest
  are left out.
- **Predicted**: the middle and the range that the report prints. It is *met* where the two ranges touch.
- **Trace alone**: nobody told sdtrace how long the base takes without the profiler. **Recorded**: the trace
  says so.
- **Held back**: recorded after the constants had been chosen. All other scenes were looked at then.

Scenes: `sd15`, `small` (256x256), `b2` (batch 2, bfloat16) and `fp32` (batch 4) have the geometry of Stable
Diffusion 1.5, `flux` that of FLUX with 15 blocks, `sd3` that of Stable Diffusion 3, `vae` is the VAE alone;
all with random weights and 4 steps. `pairs_sd`, `pairs_fp32`, `lora_train`, `cfg_parallel` and `sd_offload`
were recorded on other machines, with 2 to 9 runs each. The host of these machines is not quiet: the same
program took up to twice as long in another minute, which is why ranges are wide.
"""
_COLUMNS: Final = (
    *("Prediction", "From", "Pairs", "Met", "Off, median", "Off, most"),
    *("Held back", "Met", "Off, median"),
)


def load() -> list[Record]:
    """The records in the repository."""
    return msgspec.json.decode(RECORDS.read_bytes(), type=list[Record])


def text() -> str:
    """The page."""
    records = load()
    kinds = list(dict.fromkeys(record.kind for record in records))
    return "\n".join(
        [_HEAD, *_summary(records, kinds), *(line for kind in kinds for line in _kind(records, kind))]
    )


def _summary(records: Sequence[Record], kinds: Sequence[str]) -> list[str]:
    lines = [
        "## By kind of change",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind in kinds:
        for source in (predictions.RECORDED, predictions.ALONE):
            mine = [record for record in records if (record.kind, record.source) == (kind, source)]
            if mine:
                held = [record for record in mine if record.held_back]
                lines.append(
                    f"| {kind} | {source} | {' | '.join([*_figures(mine, worst=True), *_figures(held)])} |"
                )
    return [*lines, ""]


def _figures(records: Sequence[Record], *, worst: bool = False) -> list[str]:
    if not records:
        return ["0", "", ""]
    errors = [abs(record.error) for record in records]
    met = sum(record.is_met for record in records)
    most = [f"{100 * max(errors):.1f} %"] if worst else []
    return [str(len(records)), f"{met} of {len(records)}", f"{100 * median(errors):.1f} %", *most]


def _kind(records: Sequence[Record], kind: str) -> list[str]:
    mine = sorted(
        (record for record in records if record.kind == kind), key=lambda record: -abs(record.error)
    )
    rows = [_row(record) for record in mine]
    return [
        f"## {kind[0].upper()}{kind[1:]}",
        "",
        "| Base | Measured as | From | Base, ms | Predicted, ms | Range | Measured, ms | Range | Off | Met |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---|",
        *rows,
        "",
    ]


def _row(record: Record) -> str:
    held = " (held back)" if record.held_back else ""
    return (
        f"| `{record.base}`{held} | `{record.result}` | {record.source} | {_ms(record.from_ms)} "
        f"| {_ms(record.predicted_ms)} | {_ms(record.low_ms)} to {_ms(record.high_ms)} "
        f"| {_ms(record.measured_ms)} | {_ms(record.measured_low_ms)} to {_ms(record.measured_high_ms)} "
        f"| {100 * record.error:+.1f} % | {'yes' if record.is_met else '**no**'} |"
    )


def _ms(value: float) -> str:
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
