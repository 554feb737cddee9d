"""Holds predictions to measurements: `python -m benchmarks.predictions FOLDER... > records.json`.

A folder holds traces `SCENE.SETTING.json.gz` of plain torch.profiler and, for each scene, `SCENE.truth.json`
with the walls of every setting without the profiler (`walls_s`, timed by turns; `walls_after_s`, after
profiling). Of traces of `sdtrace collect` the walls are in the trace. With `--held-back` the records say that
nobody had looked at these measurements when the constants were chosen; such records are kept as they are,
also when constants change. The records of docs/predictions.md are in docs/predictions.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from sdtrace.analysis.counsel import Counsel
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study, study_trace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.findings import Finding
from sdtrace.trace import load_trace
from sdtrace.whatif.plan import plan_of
from sdtrace.whatif.replay import replay
from sdtrace.whatif.savings import per_image

RECORDED: Final = "recorded"
ALONE: Final = "trace alone"
UNCHANGED: Final = "unchanged replay"
IMAGE: Final = "image without the profiler"
GRAPHS: Final = "CUDA graphs, from a compiled base"
COMPILE: Final = "compile and CUDA graphs, from an eager base"
OFFLOAD: Final = "weights kept on the GPU"
SHORT: Final = "float32 to 16 bits"
ATTENTION: Final = "unfused to fused attention"
LAYOUT: Final = "weights converted once"
SYNCS: Final = "syncs removed"
LOADER: Final = "data loader with workers"
TF32: Final = "float32 to TF32"
FUSION: Final = "compile of a part that runs op by op"
ENCODER: Final = "prompt encoded once"
BATCH: Final = "batch size, time of one image"
DECODER: Final = "compile of a pipeline's VAE"
NOTHING: Final = "syncs and copies of which no finding speaks"


class Pair(NamedTuple):
    """A base, what it became, and the finding whose saving is held to it; None where none promises any."""

    kind: str
    base: str
    result: str
    finding: str | None
    images: int = 1
    """In a batch, of which one is held to the prediction."""
    part: str = ""
    """The component that the finding must be about; '' for any."""


class Record(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One prediction and what was measured; milliseconds."""

    kind: str
    base: str
    result: str
    source: str
    """`recorded`: the base's wall without the profiler was given. `trace alone`: it was estimated."""
    trace_sha256: str
    card: str
    held_back: bool
    seen_since: bool = False
    """Held back then, but constants changed since, perhaps because of what this scene showed."""
    from_ms: float
    predicted_ms: float
    low_ms: float
    high_ms: float
    measured_ms: float
    measured_low_ms: float
    measured_high_ms: float
    runs: int

    @property
    def is_met(self) -> bool:
        """Whether the range predicted meets the range measured."""
        return self.low_ms <= self.measured_high_ms and self.high_ms >= self.measured_low_ms

    @property
    def error(self) -> float:
        """The middle of the prediction against the median measured."""
        return self.predicted_ms / self.measured_ms - 1


_HELD: Final = "--held-back"
_ENDINGS: Final = (".json", ".json.gz", ".json.xz")
_OTHERS: Final = (".truth.json", ".keyavg.json.gz", ".truth.json.gz")
LAUNCH: Final = "host.launch_bound"
_OF_WAITS: Final = ("host.sync", "host.copies")
"""Findings that speak of syncs and copies."""
GRAPHED: Final = ("i2i", "kandi", "deepif", "hyd", "aura")
UNETS: Final = ("lcm", "cnet", "xl768", "aldm", "cm64")
BY_GPU: Final = ("qwen", "klein", "cogvid", "zimage", "prx")
PAIRS: Final = (
    *(Pair(GRAPHS, f"{s}.compile", f"{s}.graphs", LAUNCH) for s in ("sd15", "small", "flux", "sd3", "b2")),
    Pair(GRAPHS, "fp32.bf16_compile", "fp32.bf16_graphs", LAUNCH),
    *(Pair(COMPILE, f"{s}.base", f"{s}.graphs", LAUNCH) for s in ("sd15", "small", "flux", "sd3", "b2")),
    Pair(COMPILE, "fp32.bf16", "fp32.bf16_graphs", LAUNCH),
    Pair(COMPILE, "pairs_sd", "pairs_sd.compile_unet_reduce_overhead", LAUNCH),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in ("sd15", "flux", "sd3", "b2")),
    Pair(SHORT, "fp32.base", "fp32.bf16", "device.float32"),
    Pair(SHORT, "flux.fp32", "flux.base", "device.float32"),
    Pair(SHORT, "sd3.fp32", "sd3.base", "device.float32"),
    Pair(SHORT, "vae.base", "vae.fp16", "device.float32"),
    Pair(SHORT, "pairs_fp32", "pairs_fp32.bf16", "device.float32"),
    Pair(ATTENTION, "sd15.unfused", "sd15.base", "device.unfused_attention"),
    Pair(ATTENTION, "fp32.unfused", "fp32.base", "device.unfused_attention"),
    Pair(ATTENTION, "fp32.bf16_unfused", "fp32.bf16", "device.unfused_attention"),
    Pair(ATTENTION, "b2.unfused", "b2.base", "device.unfused_attention"),
    Pair(LAYOUT, "sd15.compile", "sd15.last_compile", "device.weight_layout"),
    Pair(LAYOUT, "fp32.bf16_compile", "fp32.bf16_last_compile", "device.weight_layout"),
    Pair(LAYOUT, "b2.compile", "b2.last_compile", "device.weight_layout"),
    *(Pair(GRAPHS, f"{s}.compile", f"{s}.graphs", LAUNCH) for s in ("dit", "wan")),
    *(Pair(COMPILE, f"{s}.base", f"{s}.graphs", LAUNCH) for s in ("dit", "wan")),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in ("dit", "sd21", "sd_offload")),
    Pair(SHORT, "dit.fp32", "dit.base", "device.float32"),
    Pair(SHORT, "wan.fp32", "wan.base", "device.float32"),
    Pair(SHORT, "dec16.fp32", "dec16.base", "device.float32"),
    Pair(TF32, "fp32.base", "fp32.tf32", "device.tf32"),
    *(
        Pair(TF32, f"{s}.fp32", f"{s}.fp32_tf32", "device.tf32")
        for s in ("flux", "sd3", "dit", "wan", "dec16")
    ),
    Pair(TF32, "vae.base", "vae.tf32", "device.tf32"),
    Pair(TF32, "pairs_fp32", "pairs_fp32.tf32", "device.tf32"),
    *(Pair(TF32, f"{s}.workers", f"{s}.tf32", "device.tf32") for s in ("vit", "resnet")),
    *(Pair(ATTENTION, f"{s}.math", f"{s}.base", "device.unfused_attention") for s in ("dit", "wan")),
    Pair(ATTENTION, "sd21.unfused", "sd21.base", "device.unfused_attention"),
    *(Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion") for s in ("flux", "wan", "dec16")),
    Pair(FUSION, "fp32.bf16", "fp32.bf16_compile", "device.fusion"),
    Pair(FUSION, "fp32.tf32", "fp32.tf32_compile", "device.fusion"),
    Pair(FUSION, "vae.fp16", "vae.fp16_compile", "device.fusion"),
    Pair(FUSION, "vae.fp16_last", "vae.fp16_last_compile", "device.fusion"),
    Pair(FUSION, "dec16.fp32", "dec16.fp32_compile", "device.fusion"),
    Pair(DECODER, "sd21.base", "sd21.vae_compile", "device.fusion", part="vae"),
    *(Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder") for s in ("sd15", "b2", "sd21")),
    *(
        Pair(LOADER, f"{s}.{slow}", f"{s}.workers", "host.data")
        for s in ("vit", "resnet")
        for slow in ("heavy", "light", "one_worker")
    ),
    *(Pair(SYNCS, f"{s}.items", f"{s}.workers", "host.sync") for s in ("vit", "resnet")),
    Pair(BATCH, "pairs_sd", "pairs_sd.batch4", "host.batch", 4),
    Pair(BATCH, "pairs_sd", "pairs_sd.batch8", "host.batch", 8),
    Pair(BATCH, "dit.base", "dit.batch2", "host.batch", 2),
    Pair(BATCH, "dit.base", "dit.batch4", "host.batch", 4),
    Pair(BATCH, "wan.base", "wan.batch2", "host.batch", 2),
    Pair(BATCH, "sd21.base", "sd21.batch2", "host.batch", 2),
    *(
        Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder")
        for s in ("sd15b4", "xl512", "sd3s", "flux4")
    ),
    *(
        Pair(DECODER, f"{s}.base", f"{s}.vae_compile", "device.fusion", part="vae")
        for s in ("sd15b4", "xl512", "sd3s", "flux4", "pixart", "sana")
    ),
    *(
        Pair(LAYOUT, f"{s}.compile", f"{s}.last_compile", "device.weight_layout")
        for s in ("sd15b4", "xl512", "uncond", "wideres")
    ),
    *(Pair(SYNCS, f"{s}.checked", f"{s}.flags", "host.sync") for s in ("sd15b4", "pixart")),
    Pair(SYNCS, "route.asked", "route.known", "host.sync"),
    Pair(SYNCS, "utrain.items", "utrain.norms", "host.sync"),
    Pair(OFFLOAD, "sd3s.offload", "sd3s.base", "host.copies"),
    Pair(FUSION, "uncond.base", "uncond.compile", "device.fusion"),
    *(Pair(COMPILE, f"{s}.base", f"{s}.graphs", LAUNCH) for s in GRAPHED),
    *(Pair(GRAPHS, f"{s}.compile", f"{s}.graphs", LAUNCH) for s in GRAPHED),
    *(Pair(BATCH, f"{s}.base", f"{s}.batch2", "host.batch", 2) for s in GRAPHED),
    *(
        Pair(LAYOUT, f"{s}.compile", f"{s}.last_compile", "device.weight_layout")
        for s in ("i2i", "kandi", "deepif", "upscale")
    ),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in ("i2i", "deepif", "hyd", "cogview")),
    *(
        Pair(kind, f"{s}.fp32", f"{s}.{result}", finding)
        for s in ("i2i", "kandi", "deepif", "hyd", "lumina", "ltx")
        for kind, result, finding in (
            (SHORT, "base", "device.float32"),
            (TF32, "fp32_tf32", "device.tf32"),
        )
    ),
    Pair(ATTENTION, "i2i.unfused", "i2i.base", "device.unfused_attention"),
    *(
        Pair(ATTENTION, f"{s}.math", f"{s}.base", "device.unfused_attention")
        for s in ("hyd", "lumina", "ltx", "cogview")
    ),
    *(
        Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder")
        for s in ("i2i", "deepif", "hyd", "aura")
    ),
    *(
        Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion", part="transformer")
        for s in ("hyd", "aura", "lumina", "ltx", "cogview")
    ),
    *(
        Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion", part="unet")
        for s in ("i2i", "kandi", "deepif", "upscale")
    ),
    *(
        Pair(DECODER, f"{s}.base", f"{s}.vae_compile", "device.fusion", part="vae")
        for s in ("upscale", "hyd", "aura")
    ),
    Pair(LOADER, "cnx.heavy", "cnx.workers", "host.data"),
    Pair(LOADER, "cnx.light", "cnx.light_workers", "host.data"),
    Pair(SYNCS, "upscale.checked", "upscale.flags", "host.sync"),
    Pair(SYNCS, "aura.preview", "aura.base", "host.sync"),
    Pair(NOTHING, "aura.preview", "aura.base", None),
    *(Pair(NOTHING, f"{s}.item", f"{s}.base", None) for s in ("i2i", "kandi", "upscale", "hyd")),
    *(Pair(NOTHING, f"{s}.item", f"{s}.base", None) for s in ("sd15", "flux", "sd3", "b2")),
    *(Pair(NOTHING, f"{s}.items", f"{s}.base", None) for s in ("sd15", "sd3", "b2")),
    *(Pair(NOTHING, f"{s}.preview", f"{s}.base", None) for s in ("sd15", "flux", "b2")),
    *(Pair(NOTHING, f"{s}.base", f"{s}.timesteps_host", None) for s in ("sd15", "b2")),
    *(
        Pair(LOADER, f"{s}.{slow}", f"{s}.{result}", "host.data")
        for s in ("useg", "clipc", "ast")
        for slow, result in (("heavy", "workers"), ("light", "light_workers"))
    ),
    *(Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion", part="transformer") for s in BY_GPU),
    Pair(FUSION, "animd.base", "animd.compile", "device.fusion", part="unet"),
    Pair(FUSION, "seg.base", "seg.compile", "device.fusion"),
    *(Pair(LAYOUT, f"{s}.compile", f"{s}.last_compile", "device.weight_layout") for s in (*UNETS, "depth")),
    *(
        Pair(kind, f"{s}.{base}", f"{s}.graphs", LAUNCH)
        for s in (*UNETS, "saudio", "depth")
        for kind, base in ((COMPILE, "base"), (GRAPHS, "compile"))
    ),
    *(
        Pair(kind, f"{s}.item", f"{s}.base", finding)
        for s in (*BY_GPU, "lcm", "cnet", "xl768", "cm64", "animd", "seg", "saudio")
        for kind, finding in ((NOTHING, None), (SYNCS, "host.sync"))
    ),
)


class Traces:
    """The traces and walls of some folders, by `SCENE.SETTING`."""

    def __init__(self, folders: list[Path], *, held_back: bool = False) -> None:
        self.held_back = held_back
        self.paths = {
            path.name.partition(".json")[0]: path
            for folder in folders
            for path in sorted(folder.glob("*.json*"))
            if path.name.endswith(_ENDINGS) and not path.name.endswith(_OTHERS)
        }
        self.walls: dict[str, list[float]] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.truth.json")):
                self._add(path.name.removesuffix(".truth.json"), msgspec.json.decode(path.read_bytes()))

    def _add(self, scene: str, truth: dict[str, Any]) -> None:
        after = truth.get("walls_after_s", {})
        for setting, walls in truth.get("walls_s", {}).items():
            is_base = setting == "base" and scene in self.paths
            self.walls[scene if is_base else f"{scene}.{setting}"] = walls + after.get(setting, [])
        for key in ("unprofiled_s", "steady_wall_s_unprofiled"):
            if key in truth and scene in self.paths:
                self.walls[scene] = truth[key]

    def add_recorded(self) -> None:
        """Takes walls that a trace holds itself, where no other file has any."""
        for name in self.paths.keys() - self.walls.keys():
            if walls := self.study(name).run.unprofiled_walls_ns:
                self.walls[name] = [wall / 1e9 for wall in walls]

    def measured(self, name: str) -> list[float]:
        """Walls in milliseconds, sorted; of many the fastest and the three slowest are left out."""
        walls = sorted(1000 * wall for wall in self.walls[name])
        return walls[1:-3] if len(walls) > 8 else walls

    @cache  # noqa: B019
    def study(self, name: str) -> Study:
        """The study of a trace."""
        return study_trace(load_trace(self.paths[name]), load_rules(None))

    @cache  # noqa: B019
    def counsel(self, name: str, source: str) -> Counsel:
        """The counsel on a trace, told the base's walls or not."""
        study = self.study(name)
        walls = [round(wall * 1e6) for wall in self.measured(name)] if source == RECORDED else []
        study = replace(study, run=study.run._replace(unprofiled_walls_ns=walls))
        return Counsel(WorkStudy(study))

    @cache  # noqa: B019
    def digest(self, name: str) -> str:
        """The SHA-256 of a trace's file."""
        return hashlib.sha256(self.paths[name].read_bytes()).hexdigest()


def records(traces: Traces) -> Iterator[Record]:
    """Everything that can be predicted from the traces at hand."""
    traces.add_recorded()
    for name in sorted(traces.paths):
        yield from records_of(traces, name)


def records_of(traces: Traces, name: str) -> Iterator[Record]:
    """Everything that can be predicted from one trace, where the result was measured."""
    if name in traces.walls:
        yield from _unchanged(traces, name)
        yield from _image(traces, name)
    for pair in PAIRS:
        if pair.base == name and pair.result in traces.walls:
            sources = (RECORDED, ALONE) if name in traces.walls else (ALONE,)
            for source in sources:
                yield from _pair(traces, pair, source)


def _unchanged(traces: Traces, name: str) -> Iterator[Record]:
    """The fastest steady iteration; met within 1 %."""
    study = traces.study(name)
    row = min(study.steady, key=lambda row: row.wall_ns, default=None)
    if row is None:
        return
    plan = plan_of(study.linked, row.start_ns, row.start_ns + row.host_wall_ns)
    if plan is None:
        return
    wall, again = row.wall_ns / 1e6, replay(plan) / 1e6
    times = (wall, again, again * 0.99, again * 1.01)
    yield _record(traces, Pair(UNCHANGED, name, name, None), ALONE, times, [wall])


def _image(traces: Traces, name: str) -> Iterator[Record]:
    image = traces.counsel(name, ALONE).image
    if image is None or image.wall.source == "recorded":
        return
    profiled = min(row.wall_ns for row in traces.study(name).steady)
    times = (profiled, image.wall.mid_ns, image.wall.low_ns, image.wall.high_ns)
    in_ms = tuple(time / 1e6 for time in times)
    yield _record(traces, Pair(IMAGE, name, name, None), ALONE, in_ms, traces.measured(name))


def _pair(traces: Traces, pair: Pair, source: str) -> Iterator[Record]:
    counsel = traces.counsel(pair.base, source)
    if counsel.image is None:
        return
    if pair.finding is None and any(item.id in _OF_WAITS and item.saving for item in counsel.findings):
        return
    wall = counsel.image.wall
    times: tuple[float, ...] = (wall.mid_ns, wall.mid_ns, wall.low_ns, wall.high_ns)
    if pair.finding is not None:
        found = next((item.saving for item in counsel.findings if _is_held_to(item, pair)), None)
        if found is None:
            return
        if pair.images > 1:
            found = per_image(counsel.image, pair.images)
        times = (found.from_ns, found.to_ns, found.low_ns, found.high_ns)
    in_ms = tuple(time / 1e6 for time in times)
    walls = [wall_ms / pair.images for wall_ms in traces.measured(pair.result)]
    yield _record(traces, pair, source, in_ms, walls)


def _is_held_to(finding: Finding, pair: Pair) -> bool:
    parts = [row.key for row in finding.evidence_rows if row.table == "components"]
    return finding.id == pair.finding and (not pair.part or pair.part in parts)


def _record(traces: Traces, pair: Pair, source: str, times: tuple[float, ...], walls: list[float]) -> Record:
    start, middle, low, high = (round(time, 3) for time in times)
    return Record(
        kind=pair.kind,
        base=pair.base,
        result=pair.result,
        source=source,
        trace_sha256=traces.digest(pair.base),
        card=str(traces.study(pair.base).trace.device.get("name", "")),
        held_back=traces.held_back,
        from_ms=start,
        predicted_ms=middle,
        low_ms=low,
        high_ms=high,
        measured_ms=round(median(walls), 3),
        measured_low_ms=round(min(walls), 3),
        measured_high_ms=round(max(walls), 3),
        runs=len(walls),
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    paths = [Path(folder) for folder in given if folder != _HELD]
    found = list(records(Traces(paths, held_back=_HELD in given)))
    print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
