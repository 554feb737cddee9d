"""docs/predictions.md, from the records in docs/predictions: every prediction and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from benchmarks import prediction_pairs, predictions
from benchmarks.predictions import Record

RECORDS: Final = Path(__file__).parents[1] / "docs" / "predictions"
_HEAD: Final = """# How predictions fared

sdtrace predicts two things: how long an image takes without the profiler, and how long it would take after a
change. This page holds every prediction for which there is a measurement, the worst ones first. None is left
out. `python -m benchmarks.record FOLDER` records traces and walls on a GPU again, of the scenes that its
`--list` names; `python -m benchmarks.predictions FOLDER` makes the records from them.

- **Measured**: the median without the profiler, and the range of the runs. Base and result were timed by
  turns in one process, before and after the traces were recorded, 5 to 13 runs each, each scene on one H100.
  The fastest and the three slowest are left out.
- **Predicted**: the middle and the range that the report prints. It is *met* where the two ranges touch.
- **Width**: the high end of the range by its low end, the median.
- **Trace alone**: nobody told sdtrace how long the base takes without the profiler. **Recorded**: the trace
  says so.
- **Held back**: predicted before anybody looked at the measurement. These records stay as they were made.
  Those *of today* were made with the constants of today: they are the test. Of the others constants changed
  afterwards, also because of what these scenes showed. All other columns are what sdtrace predicts now, of
  all scenes, and are no test of those constants that were chosen with them.

Held back of today are `flux4`, `pixart`, `route`, `sana`, `sd15b4`, `sd3s`, `uncond`, `utrain`, `wideres` and
`xl512`, 13 runs each, but not what they say of converted weights: after that was seen, the launches of the
conversions were taken off too. In `sd15b4` and `sd3s` the VAE was compiled, while the finding spoke of the
UNet and of the whole model: of these four predictions two would have been met, and none is counted.

Held back of today, too, are `aura`, `cnx`, `cogview`, `deepif`, `hyd`, `i2i`, `kandi`, `ltx`, `lumina` and
`upscale`, 7 to 12 runs each. Which pairs they make was written down before anything was measured, and no
constant changed since but those told of below. More scenes were planned than there was time for. An earlier
recording of six of these brought no traces, and two of `cnx` broke off: they are not used.

Held back of today, as far as nothing changed since, are `animd`, `ast`, `clipc`, `cnet`, `cogvid`, `depth`,
`edsr`, `klein`, `lcm`, `qwen`, `saudio`, `seg`, `useg`, `xl768` and `zimage`, 5 to 9 runs each. Their pairs
were written down before anything was measured. What `useg` showed of pinned memory, `saudio` of steps and
`klein` of images was mended, and counts as held back before; so do all of their pairs with CUDA graphs.

Then five sets were recorded, one after the other, on H100s; 9 runs each. The pairs of each were written down,
and the constants frozen, before it was measured. Where nothing was promised, there is no pair:

- **First** `turbo`, `inpaint`, `adapter`, `marigold`, `ddpm128`, `latte`, `amused`, `dit256`, `unoise`,
  `words`, six networks with group norms (`nvae` to `nvideo`) and four loops (`lconv` to `llin`). At first
  sight 29 of 37 changes were met with recorded walls, and 32 of 61 images from the trace alone. It showed
  that an image is timed alone, from nothing queued to all done, while a trace has one behind the other; work
  from before the profile that was counted as an iteration's; four images of `inpaint` taken for one;
  collections at the end of an iteration that were not taken off; memory that nothing was promised for; that
  compiled group norms take 0.2 to 0.5 of their time, not half of what is beyond the roofline; and a host
  that stays slow. All of that was changed.
- **Second** `pix2pix`, `pixs`, `prior`, `classes`, `waves`, `clips`, five networks with group norms (`nsd3`
  to `nwide`) and five loops (`lenc` to `lcode`). Met: 22 of 29 changes, 46 of 49 images. Changed since: CUDA
  graphs (shorter gaps, cheaper launches) and collections (what is left runs quicker: caches are not emptied).
- **Third** `sanas`, `mmdit`, `lumina2`, `score`, `frames`, `twice` and five loops (`gwide` to `glong`). Met:
  20 of 25 changes, 34 of 38 images. Changed since: CUDA graphs (what the CPU does beside them is quicker;
  copies inside them cost little unrecorded), and the range from traces with stacks, which is wider.
- **Fourth** `fluxs`, `ltxs`, `ldm`, `ctrlx`, `patches` and `policy`. Met: 11 of 12 changes, 15 of 18 images.
  Nothing changed since.
- **Fifth** `sdwhole`, `xlwhole`, `fluxwhole`, `pixwhole`, `sd3whole`, `wanwhole` and `vitwhole`: from the
  text to the picture, for number types, attention, offload, text encoders and decoders, which had been held
  back from earlier code only. Met: 37 of 38 changes, 52 of 55 images, 49 of 55 unchanged replays.
  No constant changed since, but where an image ends, and its last step: a compiled decoder counted for the
  next image, and so did the end of an image whose copy waits for the GPU. With that all of them are met. Of
  the five that ask the GPU in every step two were promised something, and none is by now: their waits were
  those of the copy before. Batches were promised nothing, for the GPU is busy. A first recording of smaller
  pictures ran out of memory; nothing of it is used.

In the first set each run came after one of another setting. From the second set on a wall is that of the
second of two runs in a row: whoever makes images makes several.

`cogvid.item` is no pair of syncs, though it was written down as one: its base asks the GPU in every step too,
and the finding speaks of that (129.8 to 120.1 ms predicted, 128.5 measured). `animd`, `depth` and `lcm` were
recorded twice, the first time with two to five runs each. Six more scenes, of norms, brought no traces, and
four of Python between the steps no times. Of the pairs of Python in `h100_loop_*` nothing was held back.

Most traces are no longer kept. Of those that are, and of the fifth set, all records but those held back are
of today; of the others they are as old as their last recording. So what was predicted from the trace alone
before the first set counts as held back before, all of it. What was predicted with recorded walls does not:
its constants are those of today. But the replay changed too, and predictions of traces that are gone cannot
be made again: of 40 records whose traces were at hand 4 moved by more than 1 %. On the fifth set, held back
from today's constants and code, number types, attention, offload, text encoders and decoders were met in 35
of 36 pairs with recorded walls.

What was chosen with which scenes, and on which it was held back before:

- CUDA graphs (gaps inside them, their launches, what stays beside them): with all scenes but those of the
  fourth set, on which it was held back, and the fifth, which has none. Copies from pinned memory: with
  `useg`, and held back on all other trainings.
- Compiled group norms, Python and memory between steps: with the first set. Held back on the second and
  third. Garbage collection: with the first and second. Held back on the third.
- The replay's delays, what recording costs, the clocks: with `sd15`, `small`, `flux`, `fp32`, `sd3` and
  `vae`. Held back on all others.
- How much of a host's slowness stays without the profiler: with all scenes before the first set, as one
  number, 0.4. Chosen without each scene in turn it is 0.4, and twice 0.5. In the first set more stayed, and
  the range reaches further up since. Held back on the second to the fifth set.
- What is left of unfused attention on the host, CUDA graphs of compiled code without known components, and
  what a batch adds: with all scenes.
- Training and data loaders: with `lora_train` and `vit`. Held back on `resnet`.
- Copies to and from pageable memory: with `sd15`, `sd3`, `flux`, `b2` and `sd_offload`. Held back on `dit`
  and `sd21`.
- TF32: with `fp32`, `flux`, `sd3` and `vae`. Held back on `dit`, `wan` and `dec16`.
- What a compiler fuses: with `flux`, `fp32`, `vae` and `dec16`. The records held back had one range for
  float32 and 16 bits.
- Batch size: with `pairs_sd`. Held back on `dit`, `wan` and `sd21`.
- All else: as the first line says, and held back on `b2`, `dit`, `wan`, `sd21`, `dec16` and `resnet`.

Scenes: `sd15`, `small` (256x256), `b2` (batch 2, bfloat16) and `fp32` (batch 4) have the geometry of Stable
Diffusion 1.5, `sd21` that of 2.1, `flux` that of FLUX with 15 blocks, `sd3` that of Stable Diffusion 3, `dit`
that of PixArt with 20 blocks, `wan` that of Wan with 16 blocks and 13 frames; `vae` and `dec16` are decoders
alone; all with random weights and 4 steps. `flux4` is FLUX with 12 blocks and its text encoders, `pixart`
PixArt with 10 blocks in TF32, `sana` Sana of 0.6 billion weights, `sd15b4` Stable Diffusion 1.5 (batch 4),
`sd3s` SD3 with 12 blocks, `xl512` SDXL, `uncond` a UNet without text (`utrain`: its training), `wideres` a
ResNet that classifies; 3 to 6 steps. `aura` is AuraFlow with 8 blocks, `cogview` CogView3-Plus with 5
(896x896), `hyd` Hunyuan-DiT with 6 (640x640), `lumina` Lumina 2 with 4 (1024x1024), `ltx` LTX-Video with 6
(49 frames, 704x480), `i2i` Stable Diffusion 1.5 from image to image (640x384) with half of its layers,
`kandi` the decoder of Kandinsky 2.2, `deepif` the first stage of DeepFloyd IF (64x64), `upscale` Stable
Diffusion's upscaler (192x192 to 768x768), `cnx` the training of a ConvNeXt with a data loader; 3 or 4 steps.
`qwen` is Qwen-Image with 7 blocks, `klein` FLUX.2 klein with 9, `zimage` Z-Image with 5 (all 1024x1024),
`cogvid` CogVideoX with 5 (17 frames, 720x480), `animd` AnimateDiff (16 frames, 512x320), `xl768` SDXL with
fewer layers, `cnet` Stable Diffusion 1.5 with a ControlNet, `lcm` a latent consistency model, `saudio` Stable
Audio with 12 blocks; `seg` and `depth` are convolutional networks for segmentation and depth; 4 to 6 steps.
The scenes of the five sets, of fewer layers than their models have, are in the list of
`python -m benchmarks.record --list`; 4 to 10 steps. In the loops `python`, `gc` and `memory` are what happens
after each step.
`useg`, `clipc`, `ast` and `edsr` are trainings with a data loader: a UNet that segments, CLIP, a transformer
of spectrograms, super-resolution.
`math` is attention by torch's plain math, `item` asks for two numbers of each image, `preview` copies the
latents to the CPU in each step. `checked`, `items` and `asked` ask the GPU in every step, `flags`,
`norms` and `known` do the same work without asking; `route` sends half of the tokens of each layer another
way. `vit` and `resnet` are trainings whose data loader computes
pictures: in turn with the training (`heavy`, `light`), in one worker, or in six with pinned memory
(`workers`). `pairs_sd`, `pairs_fp32`, `lora_train`, `cfg_parallel` and `sd_offload` were recorded on other
machines, with 2 to 9 runs each; so were `bf16_sdpa`, `bf16_sdpa_graphs` and `fp32_eager` (Stable Diffusion
1.5, 3 runs each, each in a process of its own), and what is named after its card (small models, in
`traces/`).

The host of these machines is not quiet. One program took up to twice as long in another minute of the same
process: `wan.base` 335 ms before its trace was recorded and 225 ms after, `sd3.base` 161 and 258 ms. A trace
tells how slow the host was while it was recorded, and what recording cost. With both taken off, images come
out quick: right for `sd15`, `b2`, `small`, `flux` and `fp32_eager` (most within 10 %), and far too short
for `wan` (45 %), `dit` (30 %) and `sd21` (25 %), whose host stayed slow. With the slowness left in, `wan` is
right within 8 %, and `sd15` and `b2` are 50 to 75 % too long where their trace fell into a slow minute. No
trace can tell the next minute's pace: the middle lies between the two, and the range reaches towards both.

Known misses: a loader with one worker, where the fastest iteration found its batch ready, so that little is
promised; `vit.tf32`, whose workers cannot keep up; `sd3`, whose traces got slower minute by minute;
`xl512`, whose traces fell into quick minutes and whose runs did not; `i2i.compile`, whose trace fell into a
slow one; `cnx`, whose loader was slower in the runs than in the trace; `deepif.compile`, where graphs
brought more than was promised; `bf16_sdpa.warm`, whose trace is slower than any clock in it tells; and
training that overlaps iterations (`resnet.workers`), which is not replayed within 3 %, so that nothing is
promised for it. `wan.base` has calls of its transformer by now, which nothing in the trace names: it is
promised CUDA graphs, no longer what compiling alone brings. `sd3s` has pairs that only later findings made;
these were not held back. `turbo.compile` was recorded in a quick minute and timed in slow ones (55 for 96
ms); `ltxs.base` and `lumina2.base` leave the CPU less beside their graphs than was thought. `kandi.base`
and `deepif.base` were missed when they were held back: their steps were guessed too short, a residual block
of such UNets being taken for an image decoder. That was mended, so their pairs with CUDA graphs count as
held back before.
"""
_COLUMNS: Final = (
    *("Prediction", "From", "Pairs", "Met", "Off, median", "Off, most", "Width"),
    *("Held back before", "Met", "Off, median", "Held back of today", "Met", "Off, median"),
)


_WALL, _SAVING, _WORK = "the wall", "the saving", "the GPU work saved"
_GOALS: Final = {
    prediction_pairs.UNCHANGED: (_WALL, 0.01),
    prediction_pairs.IMAGE: (_WALL, 0.12),
    prediction_pairs.GRAPHS: (_WALL, 0.05),
    prediction_pairs.COMPILE: (_WALL, 0.1),
    prediction_pairs.SYNCS: (_WALL, 0.1),
    prediction_pairs.OFFLOAD: (_WALL, 0.1),
    prediction_pairs.NOTHING: (_WALL, 0.1),
    prediction_pairs.TF32: (_SAVING, 0.2),
    prediction_pairs.SHORT: (_SAVING, 0.2),
    prediction_pairs.ATTENTION: (_SAVING, 0.2),
    prediction_pairs.FUSION: (_SAVING, 0.2),
    prediction_pairs.DECODER: (_SAVING, 0.2),
    prediction_pairs.LAYOUT: (_SAVING, 0.2),
    prediction_pairs.NORM: (_SAVING, 0.2),
}
"""Which share of what a prediction may be off; the image's own wall is what was measured of it."""
_OF_WORK: Final = 0.2


def load() -> list[Record]:
    """The records in the repository, a file for each set of scenes."""
    files = sorted(RECORDS.glob("*.json"))
    return [record for file in files for record in msgspec.json.decode(file.read_bytes(), type=list[Record])]


def text() -> str:
    """The page."""
    records = load()
    kinds = list(dict.fromkeys(record.kind for record in records))
    of_kinds = (line for kind in kinds for line in _kind(records, kind))
    return "\n".join([_HEAD, *_summary(records, kinds), *_by_goals(records), *of_kinds])


def _summary(records: Sequence[Record], kinds: Sequence[str]) -> list[str]:
    lines = [
        "## By kind of change",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|---|{(len(_COLUMNS) - 2) * '---:|'}",
    ]
    for kind in kinds:
        for source in (predictions.RECORDED, predictions.ALONE):
            mine = [record for record in records if (record.kind, record.source) == (kind, source)]
            if mine:
                before, today, now = _apart(mine)
                figures = [*_figures(now, more=True), *_figures(before), *_figures(today)]
                lines.append(f"| {kind} | {source} | {' | '.join(figures)} |")
    return [*lines, ""]


def _apart(records: Sequence[Record]) -> tuple[list[Record], list[Record], list[Record]]:
    """Those held back before constants changed, those held back from the constants of today, all others."""
    held = [record for record in records if record.held_back]
    return (
        [record for record in held if record.seen_since],
        [record for record in held if not record.seen_since],
        [record for record in records if not record.held_back],
    )


def _by_goals(records: Sequence[Record]) -> list[str]:
    """How far off predictions are by the measure of their goal."""
    walls = {record.base: record.measured_ms for record in records if record.kind == prediction_pairs.IMAGE}
    walls |= {record.base: record.from_ms for record in records if record.source == predictions.RECORDED}
    lines = [
        "## By the project's goals",
        "",
        "*Off* is a share of the base's wall without the profiler, or of the saving that was measured. Where",
        "base and result differ by less than their runs do, a share of the saving says nothing. *The GPU",
        "work saved* is the difference between the traces of base and result, where both were kept; of",
        "weights that are converted once, the conversions.",
        "",
        "| Prediction | From | Off, as share of | Goal | Median, within it | Held back before | Of today |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    goals = [(kind, measure, goal) for kind, (measure, goal) in _GOALS.items()]
    goals += [(kind, _WORK, _OF_WORK) for kind in prediction_pairs.OF_WORK]
    for kind, measure, goal in goals:
        for source in (predictions.RECORDED, predictions.ALONE):
            mine = [record for record in records if (record.kind, record.source) == (kind, source)]
            before, today, now = (_all_off(part, measure, walls) for part in _apart(mine))
            if now:
                cells = [_within(now, goal), _within(before, goal), _within(today, goal)]
                lines.append(f"| {kind} | {source} | {measure} | {100 * goal:.0f} % | {' | '.join(cells)} |")
    return [*lines, ""]


def _within(off: Sequence[float], goal: float) -> str:
    return f"{100 * median(off):.1f} %, {sum(each <= goal for each in off)} of {len(off)}" if off else ""


def _all_off(records: Sequence[Record], measure: str, walls: dict[str, float]) -> list[float]:
    if measure != _WORK:
        return [_off(record, measure, walls) for record in records]
    known = ((record.work_ms, record.work_measured_ms) for record in records)
    return [abs(said / measured - 1) for said, measured in known if measured]


def _off(record: Record, measure: str, walls: dict[str, float]) -> float:
    wall = walls.get(record.base, record.from_ms)
    whole = wall if measure == _WALL else abs(wall - record.measured_ms)
    return abs(record.predicted_ms - record.measured_ms) / max(whole, 0.001)


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
