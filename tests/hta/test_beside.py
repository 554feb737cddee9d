"""HTA's figures beside ours: what differs, by how much, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sdtrace
from sdtrace.model import HtaMeasure
from tests.hta import raw
from tests.hta.conftest import Loaded
from tests.written import host, written

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
QUICK = {"temporal", "idle", "kernels", "launches", "queue", "steps"}
COLD = "h200-bf16_sdpa_regional.cold.json.gz"


def beside(analysis: sdtrace.Analysis, hta: Any) -> dict[str, HtaMeasure]:
    from sdtrace.hta.beside import Ours, measures  # noqa: PLC0415  # needs HTA
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # as above

    part = analysis.study.select(analysis.options.part)
    results = [run(hta, name, Asked()) for name in QUICK]
    return {row.measure: row for row in measures(Ours(analysis.report, part), results)}


@pytest.mark.parametrize("name", [raw.GRAPHS, raw.EAGER, COLD, *raw.MOST[1:]])
def test_busy_and_idle_are_equal_and_each_difference_has_its_reason(loaded: Loaded, name: str) -> None:
    from sdtrace.hta.beside import UNEXPLAINED  # noqa: PLC0415  # needs HTA

    found = beside(*loaded(name))
    assert found["GPU busy"].difference_us == 0
    assert found["GPU idle"].difference_us == 0
    assert all(row.reason and row.reason != UNEXPLAINED for row in found.values())
    for row in found.values():
        if row.ours_us is not None and row.hta_us is not None:
            assert row.difference_us == pytest.approx(row.hta_us - row.ours_us, abs=0.0006)


def test_launches_that_hta_does_not_know_are_named(loaded: Loaded) -> None:
    row = beside(*loaded(raw.GRAPHS))["Launches"]
    assert (row.ours_count, row.hta_count) == (630, 554)
    assert row.reason == (
        "HTA leaves out calls whose names it does not know: 68 of cuLaunchKernelEx, 6 of cudaGraphLaunch, "
        "2 of cuLaunchKernel."
    )


def test_time_of_kernels_is_a_sum_of_durations_and_htas_is_not(loaded: Loaded) -> None:
    name = "h200-bf16_sdpa_eager.stack.json.gz"
    found = beside(*loaded(name))
    row = found["Kernels"]
    work = [item for item in raw.work_of(raw.path_of(name)) if item.name[:3] != "Mem"]
    assert row.ours_us == pytest.approx(sum(item.end_ns - item.start_ns for item in work) / 1000, abs=0.0006)
    assert row.hta_us == pytest.approx(raw.busy(work).busy_ns / 1000, abs=0.0006)
    assert row.reason.startswith("HTA counts an instant once where they overlap")
    assert "negative idle time" in found["Idle time of streams"].reason


def test_a_part_has_its_own_idle_time(loaded: Loaded) -> None:
    part = loaded(raw.EAGER)[0].at(component="unet")
    row = beside(part, part.hta())["GPU idle"]
    assert row.difference_us is not None
    assert row.difference_us > 0
    assert row.reason.startswith("sdtrace counts within the part")


def test_without_gpu_work_there_is_nothing_to_compare(tmp_path: Path) -> None:
    written(tmp_path / "cpu.json", [host("aten::mm", 0, 5_000)])
    analysis = sdtrace.load(tmp_path / "cpu.json", sdtrace.Options.of(hta=True))
    assert analysis.hta_measures.is_empty()
    assert "The trace has no GPU work." in analysis.hta_results["note"].to_list()


@pytest.mark.parametrize(
    ("bounds", "busy", "said"),
    [
        ({"cpu_bound": 100}, 0.998, "cpu_bound is 100.0 % of its path, but the GPU was busy for 99.8 %"),
        ({"cpu_bound": 100}, 0.5, ""),
        ({"cpu_bound": 30, "gpu_compute_bound": 70}, 0.95, ""),
        ({"gpu_kernel_kernel_overhead": 90, "gpu_compute_bound": 10}, 0.3, "the GPU was idle for 70.0 %"),
        ({"gpu_kernel_kernel_overhead": 60, "gpu_compute_bound": 40}, 0.4, ""),
    ],
)
def test_a_path_that_cannot_be_is_called_wrong(bounds: dict[str, int], busy: float, said: str) -> None:
    import pandas as pd  # noqa: PLC0415  # HTA's

    from sdtrace.hta.paths import contradiction  # noqa: PLC0415  # needs HTA

    edges = pd.DataFrame({"bound_by": list(bounds), "duration": list(bounds.values())})
    found = contradiction(edges, busy)
    assert said in found
    assert bool(found) == bool(said)


def test_the_path_of_a_replayed_graph_is_called_wrong(loaded: Loaded) -> None:
    from sdtrace.hta.results import Asked, run  # noqa: PLC0415  # needs HTA

    result = run(loaded("tracelens_vllm_decode_graph_rocm")[1], "critical-path", Asked())
    assert "HTA is wrong here: gpu_kernel_kernel_overhead is 96.9 %" in result.tables[0].note
