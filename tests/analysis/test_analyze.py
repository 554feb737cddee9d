"""Every trace through `analyze`: sums that must agree whatever the trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.errors import UsageError
from sdtrace.model import TraceReport
from sdtrace.phases.timeline import PHASES
from tests.analysis.reference import COLD, GRAPHS, OTHERS, SD, SHIPPED, STACK, WARM, reported, studied
from tests.written import call, host, kernel, written

SHIPPED_TRACES = tuple(path.name for path in sorted(SHIPPED.glob("*.json*")) if "keyavg" not in path.name)
ALL = (COLD, *SD, *OTHERS, *SHIPPED_TRACES)


def device_us(report: TraceReport) -> float:
    return report.gpu.kernel_us + report.gpu.memcpy_us + report.gpu.memset_us


@pytest.mark.parametrize("name", ALL)
def test_device_time_is_counted_once_in_every_breakdown(name: str) -> None:
    report = reported(name)
    whole = pytest.approx(device_us(report), abs=0.002)
    assert sum(op.self_device_us for op in report.ops if op.device_type == "cpu") == whole
    assert sum(kernel.total_us for kernel in report.kernels) == whole
    assert sum(category.gpu_us for category in report.categories) == whole
    assert sum(phase.gpu_us for phase in report.phases) == whole
    if report.components:
        assert sum(item.gpu_us for item in report.components if "." not in item.component) == whole
    calls = sum(phase.gpu_events for phase in report.phases)
    assert sum(kernel.calls for kernel in report.kernels) == calls
    assert sum(category.calls for category in report.categories) == calls


@pytest.mark.parametrize("name", ALL)
def test_walls_and_idle_time_are_partitioned(name: str) -> None:
    report = reported(name)
    assert sum(phase.wall_us for phase in report.phases) == pytest.approx(report.wall_us, abs=0.002)
    assert sum(cause.us for cause in report.idle) == pytest.approx(report.gpu.idle_us, abs=0.002)
    assert report.gpu.busy_us <= device_us(report) + 0.001
    stages = sum(stage.exclusive_us for stage in report.compile)
    compiling = sum(phase.wall_us for phase in report.phases if phase.phase == "compile")
    assert stages == pytest.approx(compiling, abs=0.002)
    parts = report.overhead
    paid = parts.compile_us + parts.autotune_us + parts.capture_us + parts.warmup_us
    assert parts.total_us == pytest.approx(paid, abs=0.002)
    steady = [item for item in report.iterations if item.phase == "steady" and item.is_whole]
    assert (report.steady.iterations if report.steady else 0) == len(steady)


@pytest.mark.parametrize("name", [COLD, *SD, *SHIPPED_TRACES])
def test_at_most_one_percent_of_a_diffusion_trace_is_of_no_category(name: str) -> None:
    assert sum(item.pct for item in reported(name).categories if item.category == "other") <= 1


@pytest.mark.parametrize("name", OTHERS)
def test_at_most_three_percent_of_other_traces_is_of_no_category(name: str) -> None:
    assert sum(item.pct for item in reported(name).categories if item.category == "other") <= 3


@pytest.mark.parametrize("name", [COLD, GRAPHS, STACK])
def test_phases_add_up_to_the_whole_trace(name: str) -> None:
    report, parts = reported(name), [reported(name, phase) for phase in PHASES]
    assert all(part.selected_phase == phase for part, phase in zip(parts, PHASES, strict=True))
    assert sum(map(device_us, parts)) == pytest.approx(device_us(report), abs=0.005)
    assert sum(part.gpu.idle_us for part in parts) == pytest.approx(report.gpu.idle_us, abs=0.005)
    assert sum(part.gpu.launches for part in parts) == report.gpu.launches
    calls = sum(op.calls for part in parts for op in part.ops)
    # Device rows of annotations span phases: no single one shows them.
    ranges = [op for op in report.ops if op.is_user_annotation and op.device_type == "device"]
    assert calls == sum(op.calls for op in report.ops) - sum(op.calls for op in ranges)
    assert sum(len(part.components) for part in parts) == len(report.components)
    # What is not about a part is the same in all.
    assert all(part.iterations == report.iterations and part.findings == report.findings for part in parts)


def test_steady_tables_show_what_the_whole_trace_hides() -> None:
    whole, steady = reported(COLD), reported(COLD, "steady")
    assert whole.categories[0].category == "memset_fill"
    assert steady.categories[0].category in {"fused_triton", "convolution", "gemm"}
    assert "CachingAutotuner.benchmark_all_configs" in {op.name for op in whole.ops}
    assert "CachingAutotuner.benchmark_all_configs" not in {op.name for op in steady.ops}


def test_the_steady_part_of_a_cold_trace_is_the_warm_trace() -> None:
    """Of the same variant on the same GPU: device time and kernels per UNet call, and per VAE call."""
    rows = {}
    for name in (COLD, WARM):
        report = reported(name, "steady")
        rows[name] = {item.component: (item.gpu_us / item.calls) for item in report.components if item.calls}
    for component in ("unet", "vae"):
        assert rows[COLD][component] == pytest.approx(rows[WARM][component], rel=0.03)
    assert kernels_per_unet_call(COLD) == kernels_per_unet_call(WARM)
    assert len(kernels_per_unet_call(WARM)) == 1


def kernels_per_unet_call(name: str) -> set[int]:
    """How many kernels steady UNet calls launch; copies depend on the step, kernels do not."""
    found = studied(name)
    unet, launches = found.structure.components.only(["unet"]), found.structure.launches
    is_kernel = found.trace.in_categories({"kernel"})[found.linked.work.row]
    mine = (unet.of_work(launches) >= 0) & found.phases.work_mask("steady") & is_kernel
    starts = np.sort(unet.start_ns)
    counts = np.bincount(np.searchsorted(starts, launches.called_ns[mine], side="right"))
    return set(counts[counts > 0].tolist())


def test_an_iteration_says_why_it_is_slow(tmp_path: Path) -> None:
    events = []
    for n in range(6):
        long, extra = (3_000_000 if n == 4 else 0), (3 if n == 5 else 0)
        start = 10_000_000 * n
        events += [host("image", start, 2_000_000 + long + extra * 500_000, "user_annotation")]
        events += [host("aten::mm", start + 10, 100)]
        for k in range(2 + extra):
            number = 10 * n + k + 1
            events += [call("cudaLaunchKernel", start + 1000 * k, 10, number)]
            events += [kernel("k", start + 1000 * k + 100, 100, number)]
    written(tmp_path / "t.json", events)
    notes = [item.note for item in analyze(tmp_path / "t.json", Options.of()).iterations]
    assert notes[:4] == [""] * 4
    assert notes[4] == "the CPU was slower; GPU work is as usual"
    assert notes[5] == "0.300 µs more GPU work than usual"


def test_templates_among_fused_kernels_are_told(tmp_path: Path) -> None:
    names = ("triton_tem_fused_addmm_3", "triton_tem_fused_flex_attention_0", "triton_poi_fused_add_1")
    events = [host("aten::mm", 0, 900)]
    for number, name in enumerate(names):
        events += [
            call("cudaLaunchKernel", 100 * number, 50, number),
            kernel(name, 1000 * number, 400, number),
        ]
    written(tmp_path / "t.json", events)
    linked = [note for note in analyze(tmp_path / "t.json", Options.of()).notes if "templates" in note]
    assert len(linked) == 1
    assert "fused_triton holds 0.400 µs of Triton templates" in linked[0]
    assert not any("templates" in note for note in reported(GRAPHS).notes)


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="did you mean 'steady'"):
        Options.of(phase="stedy")
    with pytest.raises(UsageError, match="phases are capture, autotune, compile"):
        Options.of(phase="xyz")
    assert Options.of(phase="autotune").part.phase == "autotune"


def test_devices_are_busy_in_steady_iterations_also_where_the_host_is_far_ahead(tmp_path: Path) -> None:
    """Eight steps are launched in 4 ms; each keeps one device busy for 5 ms, then the other."""
    ms, events = 1_000_000, []
    for step in range(8):
        events.append(host(f"ProfilerStep#{step}", step * ms // 2, ms // 2 - 1000, "user_annotation"))
        for device in (0, 1):
            number = 2 * step + device + 1
            events.append(call("cudaLaunchKernel", step * ms // 2 + 1000 + 9000 * device, 5000, number))
            work = kernel("k", 100_000 + (10 * step + 5 * device) * ms, 5 * ms - 1000, number)
            events.append({**work, "pid": device})
    written(tmp_path / "t.json", events)
    devices = analyze(tmp_path / "t.json", Options.of()).devices
    shares = [device.steady_busy_us / device.steady_wall_us for device in devices]
    assert shares == [pytest.approx(0.5, abs=0.01)] * 2
