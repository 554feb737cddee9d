"""Work by op and shape in every form, of all of an image or of a part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from polars.testing import assert_frame_equal

import sdtrace
from sdtrace.analysis import Options
from sdtrace.analysis.trace_report import report_on
from sdtrace.errors import UsageError
from sdtrace.model import SCHEMA, Report, TraceReport
from sdtrace.report.to_json import render_json
from tests.loaded import analysis_of

IMAGE = Path(__file__).parent / "data" / "h100-graphs.json.gz"


@pytest.fixture(scope="module")
def image() -> sdtrace.Analysis:
    return analysis_of(IMAGE)


def ns(rows: list[float]) -> int:
    return sum(round(1000 * value) for value in rows)


def test_frames_sql_and_json_have_the_reports_rows(image: sdtrace.Analysis) -> None:
    report = image.report
    rows = [structs.asdict(row) for row in report.ops_by_shape]
    assert len(rows) == 299
    assert image.ops_by_shape.to_dicts() == rows
    written = render_json(Report(schema=SCHEMA, version="0", traces=[report], comparison=None))
    told = json.loads(written)["traces"][0]
    assert told["ops_by_shape"] == [rounded(row) for row in rows]
    waterfall = [structs.asdict(part) for part in report.waterfall]
    assert told["speed_of_light"]["waterfall"] == [rounded(part) for part in waterfall]
    found = image.query("SELECT * FROM ops_by_shape").drop("trace")
    assert_frame_equal(found, image.ops_by_shape)
    parts = image.query("SELECT sum(us) AS us FROM waterfall")
    assert report.speed_of_light is not None
    assert parts["us"][0] == pytest.approx(report.speed_of_light.wall_us, abs=1e-6)


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: three decimals."""
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def test_rates_are_the_rows_own_numbers(image: sdtrace.Analysis) -> None:
    for row in image.report.ops_by_shape:
        seconds = row.device_us / 1e6
        if row.bytes_read is not None and row.bytes_written is not None:
            assert row.tbps == pytest.approx((row.bytes_read + row.bytes_written) / seconds / 1e12)
        if row.flops:
            assert row.tflops == pytest.approx(row.flops / seconds / 1e12)
        if row.pct_of_peak is not None and row.lost_us is not None:
            least = row.device_us * row.pct_of_peak / 100
            assert row.lost_us == pytest.approx(max(0.0, row.device_us - least), abs=0.001)
            assert row.bound is not None


def test_a_part_has_its_own_work_and_parts_make_the_whole(image: sdtrace.Analysis) -> None:
    """Components and the work outside them; each step; the wall of the image stays that of the image."""
    whole = image.report
    assert ns([row.device_us for row in whole.ops_by_shape]) < ns([row.total_us for row in whole.kernels])
    unet = image.at(component="unet").report
    vae = image.at(component="vae").report
    assert 0 < ns([row.device_us for row in unet.ops_by_shape]) <= ns([row.total_us for row in unet.kernels])
    assert unet.speed_of_light == vae.speed_of_light == whole.speed_of_light
    calls = {(row.op, row.input_dims, row.input_types): row.calls for row in whole.ops_by_shape}
    for part in (unet, vae):
        assert part.ops_by_shape
        assert all(row.calls <= calls[row.op, row.input_dims, row.input_types] for row in part.ops_by_shape)
    steps = [image.at(step=number).report.ops_by_shape for number in range(5)]
    per_step = {sum(row.calls for row in rows if "attention" in row.op) for rows in steps}
    assert per_step == {32}, "sixteen layers, each on the image and on the prompt"
    assert not image.at(phase="compile").report.ops_by_shape


def test_a_phase_limits_it_as_a_part_does(image: sdtrace.Analysis) -> None:
    limited: TraceReport = report_on(image.study, Options.of("steady"))
    assert limited.ops_by_shape == image.at(phase="steady").report.ops_by_shape


def test_given_peaks_are_those_of_every_row(image: sdtrace.Analysis, tmp_path: Path) -> None:
    file = tmp_path / "card.toml"
    file.write_text("memory_bytes_per_s = 3.28e11\n", encoding="utf-8")
    slow = report_on(image.study, Options.of(peaks=file))
    assert slow.speed_of_light is not None
    assert slow.speed_of_light.peaks.source == "given"
    pairs = zip(image.report.ops_by_shape, slow.ops_by_shape, strict=True)
    ten = [
        (a.pct_of_peak, b.pct_of_peak)
        for a, b in pairs
        if a.bound == b.bound == "memory" and a.op == "aten::native_group_norm" and "512x512" in a.input_dims
    ]
    assert ten
    assert all(b == pytest.approx(10 * a, rel=0.01) for a, b in ten if a is not None)


def test_a_file_of_peaks_that_is_wrong_is_a_mistake(image: sdtrace.Analysis, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        report_on(image.study, Options.of(peaks=tmp_path / "none.toml"))


def test_kernels_say_what_they_did(image: sdtrace.Analysis) -> None:
    """A fused kernel is all of its op; a convolution's kernels are several, and say nothing."""
    kernels = image.report.kernels
    fused = [row for row in kernels if row.name.startswith("triton_poi")]
    assert fused
    assert all(row.bytes_are == "exact" and row.tbps and row.pct_of_peak for row in fused)
    assert all((row.bytes_are is None) == (row.bytes_read is None) for row in kernels)
    grouped = [row for row in kernels if "RowwiseMoments" in row.name]
    assert grouped
    assert all(row.bytes_read is None and row.flops is None for row in grouped)
