from __future__ import annotations

from pathlib import Path

import pytest

from sdtrace.phases.recompiles import Recompile
from tests.analysis.reference import finding, reported, studied
from tests.structures import phases_of
from tests.written import Event, host, written

MS = 1_000_000


def images(*compiled: str) -> list[Event]:
    """Images of 100 ms, each compiling what is named for 30 ms (`` for nothing), then running it."""
    events = []
    for number, name in enumerate(compiled):
        at = 110 * MS * number
        events += [host("image", at, 100 * MS, "user_annotation"), host("aten::mm", at + MS, MS)]
        if name:
            events += [host("entire_frame_compile", at + 10 * MS, 30 * MS)]
        if "/" in name:
            mark = f"entire_frame_compile_data: fn_name=x, compile_id={name}"
            events += [host(mark, at + 10 * MS + 1, 10, "user_annotation")]
        region = f"Torch-Compiled Region: {name}" if "/" in name else "Torch-Compiled Region"
        events += [host(region, at + 50 * MS, 10 * MS)]
    return events


@pytest.mark.parametrize(
    ("compiled", "again"),
    [
        pytest.param(["0/0", "0/1", "", ""], [1], id="the same frame"),
        pytest.param(["0/0", "1/0", "", ""], [], id="another frame"),
        pytest.param(["0/0", "", "", "0/1"], [3], id="late"),
        pytest.param(["old", "old", "", ""], [1], id="no ids"),
        pytest.param(["old", "", "", ""], [], id="once"),
        pytest.param(["", "", "", ""], [], id="never"),
    ],
)
def test_iterations_that_compile_again(tmp_path: Path, compiled: list[str], again: list[int]) -> None:
    phases = phases_of(written(tmp_path / "t.json", images(*compiled)))
    has_ids = "0/0" in compiled
    assert phases.recompiles == [Recompile(number, 30 * MS, has_ids) for number in again]


def test_without_ids_the_first_must_have_run(tmp_path: Path) -> None:
    events = [event for event in images("old", "old") if "Region" not in event["name"]]
    assert phases_of(written(tmp_path / "t.json", events)).recompiles == []


def test_a_second_shape_of_a_real_pipeline_is_a_recompile() -> None:
    name = "wild/flux_recompile"
    again = studied(name).phases.recompiles
    assert [(item.iteration, item.has_ids) for item in again] == [(1, True)]
    assert again[0].ns == pytest.approx(21.5e9, rel=0.02)
    told = finding(reported(name), "overhead.recompile")
    assert told is not None
    assert "Image 2: 21.5 s compile in 23.6 s" in told.evidence
