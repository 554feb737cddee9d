"""A steady iteration on several GPUs: each of them, and all together, sum to its wall.

`cfg_parallel` is recorded, two ranks on two H100s. Here both are in one file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import study_trace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.intervals import join, total
from sdtrace.model import SpeedOfLight
from sdtrace.trace import load_trace
from tests.recorded_ops import trace_bytes
from tests.shared import shared_trace

SPLIT = Path(__file__).parents[1] / "field" / "model_split_over_two_gpus.json.gz"


LEFT_OUT = ("ac2g", "python_function", "gpu_user_annotation")


def merged(folder: Path) -> Path:
    """Both ranks in one file: they are other processes and have other devices already."""
    ranks: list[dict[str, Any]] = [
        msgspec.json.decode(trace_bytes(shared_trace(f"wild/cfg_parallel.rank{rank}.json.gz")))
        for rank in (0, 1)
    ]
    path = folder / "merged.json"
    events = [e for rank in ranks for e in rank["traceEvents"] if e.get("cat") not in LEFT_OUT]
    both = {**ranks[0], "traceEvents": events}
    del both["distributedInfo"]
    path.write_bytes(msgspec.json.encode(both))
    return path


@pytest.fixture(scope="module", params=["split", "merged"])
def work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WorkStudy:
    path = SPLIT if request.param == "split" else merged(tmp_path_factory.mktemp("merged"))
    return WorkStudy(study_trace(load_trace(path), load_rules(None)))


@pytest.fixture(scope="module")
def light(work: WorkStudy) -> SpeedOfLight:
    found = work.speed_of_light()
    assert found is not None
    return found


def ns(value_us: float) -> int:
    return round(value_us * 1000)


def test_each_device_and_all_together_sum_to_the_wall(light: SpeedOfLight) -> None:
    assert [device.device for device in light.devices] == [0, 1]
    wall = ns(light.wall_us)
    assert sum(ns(part.us) for part in light.waterfall) == wall
    assert all(part.us > 0 for part in light.waterfall if part.part != "overlap")
    for device in light.devices:
        assert all(part.us > 0 for part in device.waterfall if part.part != "overlap")
        assert sum(ns(part.us) for part in device.waterfall) == wall
        busy = sum(ns(part.us) for part in device.waterfall if part.part != "idle")
        assert busy == ns(device.busy_us)
        assert ns(device.image_us) <= busy
    assert light.image_us == max(device.image_us for device in light.devices)
    assert light.best_dtype_us <= light.image_us


def test_work_is_that_of_the_devices_and_overlap_what_they_do_at_once(
    work: WorkStudy, light: SpeedOfLight
) -> None:
    """Against intervals of the trace itself."""
    kinds = ("roofline", "lost", "unknown")
    each = [sum(ns(p.us) for p in device.waterfall if p.part in kinds) for device in light.devices]
    both = sum(ns(part.us) for part in light.waterfall if part.part in kinds)
    assert both == sum(each)
    assert sum(ns(part.gpu_us) for part in light.components) == both
    window = work._window(next(row for row in work.study.steady if row.index == light.iteration))
    bounds = np.array([window.begun_ns]), np.array([window.done_ns])
    busy = join(*work.study.idle.devices.busy)
    inside = np.minimum(busy.end, bounds[1]) - np.maximum(busy.start, bounds[0])
    worked = int(np.maximum(0, inside).sum())
    overlap = sum(ns(part.us) for part in light.waterfall if part.part == "overlap")
    assert both + overlap == worked <= total(busy)
    assert sum(ns(part.us) for part in light.waterfall if part.part == "idle") == ns(light.wall_us) - worked
