"""docs/predictions.md, from the records in docs/predictions: every prediction and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from benchmarks import predictions
from benchmarks.predictions import Record

RECORDS: Final = Path(__file__).parents[1] / "docs" / "predictions"
_HEAD: Final = """# How predictions fared

sdtrace predicts two things: how long an image takes without the profiler, and how long it would take after a
change. This page holds every prediction for which there is a measurement, the worst ones first. None is left
out. `python -m benchmarks.predictions FOLDER` makes the records from traces and measured walls.

- **Measured**: the median without the profiler, and the range of the runs. Base and result were timed by
  turns in one process, before and after the traces were recorded, 14 to 16 runs each, each scene on one H100.
  The fastest and the three slowest are left out.
- **Predicted**: the middle and the range that the report prints. It is *met* where the two ranges touch.
- **Width**: the high end of the range by its low end, the median.
- **Trace alone**: nobody told sdtrace how long the base takes without the profiler. **Recorded**: the trace
  says so.
- **Held back**: predicted before anybody looked at the measurement. These records stay as they were made.
  Constants changed afterwards, also because of what these scenes showed: the other columns are what sdtrace
  predicts now, of all scenes, and are no test of those constants that were chosen with them.

What was chosen with which scenes, and on which it was held back:

- The replay's delays, what recording costs, the clocks: with `sd15`, `small`, `flux`, `fp32`, `sd3` and
  `vae`. Held back on all others.
- How much of a slowdown is the profiler's: with all scenes. The records held back took all of it for that.
- Training and data loaders: with `lora_train` and `vit`. Held back on `resnet`.
- Copies to and from pageable memory: with `sd15`, `sd3`, `flux`, `b2` and `sd_offload`. Held back on `dit`
  and `sd21`.
- TF32: with `fp32`, `flux`, `sd3` and `vae`. Held back on `dit`, `wan` and `dec16`.
- What a compiler fuses: the middle with `sd15`, `flux`, `fp32`, `sd3`, `vae` and `b2`, the worst case also
  with `dec16`. The records held back had a narrower range.
- Batch size: with `pairs_sd`. Held back on `dit`, `wan` and `sd21`.
- All else: as the first line says, and held back on `b2`, `dit`, `wan`, `sd21`, `dec16` and `resnet`.

Scenes: `sd15`, `small` (256x256), `b2` (batch 2, bfloat16) and `fp32` (batch 4) have the geometry of Stable
Diffusion 1.5, `sd21` that of 2.1, `flux` that of FLUX with 15 blocks, `sd3` that of Stable Diffusion 3, `dit`
that of PixArt with 20 blocks, `wan` that of Wan with 16 blocks and 13 frames; `vae` and `dec16` are decoders
alone; all with random weights and 4 steps. `vit` and `resnet` are trainings whose data loader computes
pictures: in turn with the training (`heavy`, `light`), in one worker, or in six with pinned memory
(`workers`). `pairs_sd`, `pairs_fp32`, `lora_train`, `cfg_parallel` and `sd_offload` were recorded on other
machines, with 2 to 9 runs each.

The host of these machines is not quiet. One program took up to twice as long in another minute of the same
process: `wan.base` 335 ms before its trace was recorded and 225 ms after, `sd3.base` 161 and 258 ms. No trace
can tell the next minute's pace: that is why ranges are wide, and why middles are far off in `dit` and `wan`.

Known misses: a loader with one worker, where the fastest iteration found its batch ready, so that little is
promised; `wan`, whose parts
have no names in the trace, so that it is promised compilation and held to CUDA graphs too; and training that
overlaps iterations (`resnet.workers`), which is not replayed within 3 %, so that nothing is promised for it.
"""
_MORE: Final = """
Held back later, on another H100, with 3 steps and 13 runs each: `sd15b4` (batch 4), `xl512` (SDXL at
512x512), `sd3s` (12 blocks, 384x384, batch 2), `flux4` (12 blocks, with its text encoders), `pixart` (10
blocks, 768x768, TF32), `sana` (with its decoder, 1024x1024), `uncond` and `utrain` (unconditional UNets, the
latter in training), `wideres` (a wide ResNet), `route` (layers that choose their tokens). In `checked` each
part of the denoiser asks whether what it made is finite; in `flags` the answer stays on the GPU.
`route.known` also computes less: nobody asks which tokens take part. What changed afterwards: where weights
are converted once, what launched the conversions goes too; and where the CPU limits the denoiser, the
finding about fusing names the VAE.
"""
_COLUMNS: Final = (
    *("Prediction", "From", "Pairs", "Met", "Off, median", "Off, most", "Width"),
    *("Held back", "Met", "Off, median"),
)


def load() -> list[Record]:
    """The records in the repository, a file for each set of scenes."""
    files = sorted(RECORDS.glob("*.json"))
    return [record for file in files for record in msgspec.json.decode(file.read_bytes(), type=list[Record])]


def text() -> str:
    """The page."""
    records = load()
    kinds = list(dict.fromkeys(record.kind for record in records))
    return "\n".join(
        [_HEAD + _MORE, *_summary(records, kinds), *(line for kind in kinds for line in _kind(records, kind))]
    )


def _summary(records: Sequence[Record], kinds: Sequence[str]) -> list[str]:
    lines = [
        "## By kind of change",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind in kinds:
        for source in (predictions.RECORDED, predictions.ALONE):
            mine = [record for record in records if (record.kind, record.source) == (kind, source)]
            if mine:
                held = [record for record in mine if record.held_back]
                now = [record for record in mine if not record.held_back]
                lines.append(
                    f"| {kind} | {source} | {' | '.join([*_figures(now, more=True), *_figures(held)])} |"
                )
    return [*lines, ""]


def _figures(records: Sequence[Record], *, more: bool = False) -> list[str]:
    if not records:
        return ["0", "", ""]
    errors = [abs(record.error) for record in records]
    met = sum(record.is_met for record in records)
    width = median(record.high_ms / record.low_ms for record in records)
    most = [f"{100 * max(errors):.1f} %", f"{width:.2f}"] if more else []
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
