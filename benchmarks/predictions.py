"""Holds predictions to measurements: `python -m benchmarks.predictions FOLDER... > records.json`.

A folder holds traces `SCENE.SETTING.json.gz` of plain torch.profiler and, for each scene, `SCENE.truth.json`
with the walls of every setting without the profiler (`walls_s`, timed by turns; `walls_after_s`, after
profiling): `python -m benchmarks.record` makes such folders. Of traces of `sdtrace collect` the walls are in
the trace. With `--held-back` the records say that nobody had looked at these measurements when the constants
were chosen; such records are kept as they are, also when constants change. The records of
docs/predictions.md are in docs/predictions.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from benchmarks.prediction_pairs import IMAGE, LAYOUT, OF_WORK, PAIRS, UNCHANGED, Pair

from sdtrace.analysis.counsel import Counsel, by_wall
from sdtrace.analysis.device_facts import conversions
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
    work_ms: float = 0.0
    """Device work of an iteration that the saving takes away."""
    work_measured_ms: float | None = None
    """How much less it is in the trace of the result; where weights are converted, of the conversions."""

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
_OF_WAITS: Final = ("host.sync", "host.copies")
"""Findings that speak of syncs and copies."""


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

    def work_ms(self, name: str, kind: str) -> float:
        """Device work of a steady iteration, the median; of converted weights the conversions."""
        study = self.study(name)
        if kind == LAYOUT:
            return conversions(study, WorkStudy(study)).weights_ns / len(study.steady) / 1e6
        return median(row.gpu_ns for row in study.steady) / 1e6

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
    row = next(iter(by_wall(study)), None)
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
    found = None
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
    record = _record(traces, pair, source, in_ms, walls)
    if pair.kind in OF_WORK and found is not None and pair.result in traces.paths:
        before, after = (traces.work_ms(name, pair.kind) for name in (pair.base, pair.result))
        work_ms = round(found.work_ns / 1e6, 3)
        record = msgspec.structs.replace(record, work_ms=work_ms, work_measured_ms=round(before - after, 3))
    yield record


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
