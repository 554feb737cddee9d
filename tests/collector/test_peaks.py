"""`sdtrace peaks`, on the CPU; and when `sdtrace collect` measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from sdtrace.errors import OutputError, SdtraceError, UsageError
from sdtrace.roofline.peaks import find_peaks
from sdtrace_collector import run
from sdtrace_collector.cli import collect
from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.peaks import measure
from sdtrace_collector.peaks.command import peaks
from sdtrace_collector.peaks.page import page_of
from sdtrace_collector.peaks.record import MeasuredPeaks
from sdtrace_collector.protocol import RunFacts, Spec, Stage
from sdtrace_collector.variants import find_variant

CPU = torch.device("cpu")
H100 = MeasuredPeaks(
    card="NVIDIA H100 80GB HBM3",
    flops_per_s={"float32": 5.21e13, "bfloat16": 8.01e14, "float8": 1.402e15, "int8": 9.9996e14},
    memory_bytes_per_s=3.02e12,
    l2_bytes=50 << 20,
    l2_bytes_per_s=6.1e12,
    launch_us=2.814,
    graph_gap_us=1.3,
    pcie_bytes_per_s=5.5e10,
    nvlink_bytes_per_s=3.92e11,
    measured_in_s=4.21,
)


def ran(*arguments: str | Path) -> Result:
    return CliRunner().invoke(peaks, [str(argument) for argument in arguments])


def refused(*arguments: str | Path) -> SdtraceError:
    error = ran(*arguments).exception
    assert isinstance(error, SdtraceError)
    return error


def test_the_cpu_is_measured_shown_and_its_file_read_back(tmp_path: Path) -> None:
    path = tmp_path / "cpu.toml"
    result = ran("--device", "cpu", "-o", path)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    shown = {line[:22].strip(): line[22:].split() for line in result.stdout.splitlines()[2:]}
    assert set(shown) == {"matmul float32", "matmul bfloat16", "memory"}
    assert all(len(figure_and_unit) == 2 for figure_and_unit in shown.values())
    read = find_peaks("whatever", None, path)
    assert read is not None
    assert set(read.flops_per_s) == {"float32", "bfloat16"}
    assert read.flops_per_s["float32"] > 1e8
    assert read.memory_bytes_per_s > 1e8


def test_json_is_what_a_trace_keeps() -> None:
    found = json.loads(ran("--device", "cpu", "--json").stdout)
    read = find_peaks(None, found)
    assert read is not None
    assert (read.source, read.card) == ("measured", found["card"])


def test_measuring_leaves_the_precision_of_products_as_it_was() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        measure.measure_peaks(CPU)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_what_a_card_cannot_do_or_has_no_time_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def rate(name: str, *_: object) -> float:
        if name == "bfloat16":
            raise RuntimeError("no such product")
        return 123456.0

    monkeypatch.setattr(measure, "product_rate", rate)
    assert measure.measure_peaks(CPU).flops_per_s == {"float32": 123500.0}
    nothing = measure.measure_peaks(CPU, budget_s=0.0)
    assert (nothing.flops_per_s, nothing.memory_bytes_per_s) == ({}, None)


def test_figures_of_a_gpu_fit_80_columns_beside_their_share_of_the_datasheet() -> None:
    lines = page_of(H100, find_peaks(H100.card)).splitlines()
    assert max(map(len, lines)) <= 80
    table = {line[:22].strip(): line[22:].split(maxsplit=2) for line in lines[2:-2]}
    assert table["matmul bfloat16"] == ["801", "TFLOP/s", "81.0 %"]
    assert table["matmul float8"][:2] == ["1.40", "PFLOP/s"]
    assert table["matmul int8"][:2] == ["1.00", "POP/s"]
    assert table["cache, 50.0 MiB"][:2] == ["6.10", "TB/s"]
    assert table["copy, host"] == ["55.0", "GB/s", "87.3 %"]
    assert table["launch"][:2] == ["2.81", "µs"]
    assert lines[0] == "NVIDIA H100 80GB HBM3, measured in 4.2 s"
    assert "H100 SXM" in lines[-1]


def test_mistakes_are_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "measure_peaks", lambda _: pytest.fail("it measured"))
    taken = tmp_path / "card.toml"
    taken.touch()
    assert isinstance(refused("-o", taken), OutputError)
    error = refused("-o", tmp_path / "card.yaml")
    assert isinstance(error, UsageError)
    assert "card.toml" in str(error)
    error = refused("--device", "tpu")
    assert isinstance(error, SetupFailed)


def test_measuring_comes_after_all_that_is_timed_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    facts: list[RunFacts] = []

    def noted(name: str, result: object) -> Callable[..., object]:
        def note(*_: object, **__: object) -> object:
            done.append(name)
            return result

        return note

    monkeypatch.setattr(run, "measure_peaks", noted("peaks", H100))
    monkeypatch.setattr(run, "peak_memory_bytes", noted("memory", 1))
    monkeypatch.setattr(run, "dynamo_compile_times", noted("compile times", {}))
    monkeypatch.setattr(run, "_export", lambda _profiler, _spec, found, _send: facts.append(found))
    spec = Spec(
        variant="fp32_eager",
        axes=find_variant("fp32_eager").axes,
        scratch=str(tmp_path),
        steps=1,
        images=1,
        unprofiled_images=1,
        cold=True,
        device="cpu",
        peaks=True,
    )
    run.run(spec, lambda event: done.append(event.text) if isinstance(event, Stage) else None)
    assert done == [
        "loading tiny",
        "profiling",
        "unprofiled",
        "memory",
        "compile times",
        "measuring the card's peaks",
        "peaks",
        "the same image as the pipeline makes it by itself",
    ]
    assert facts[0].peaks is H100


def test_a_failure_to_measure_costs_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(run, "measure_peaks", fails)
    spec = Spec(variant="x", axes=find_variant("fp32_eager").axes, scratch="", device="cpu", peaks=True)
    assert run._peaks(spec, run.plan_of(spec), lambda _: None) is None


def test_collect_has_the_option() -> None:
    assert "--no-peaks" in CliRunner().invoke(collect, ["--help"]).output
