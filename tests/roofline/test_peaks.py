"""Which of three sources a figure is from, and what a wrong file is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtrace.errors import UsageError
from sdtrace.roofline.peaks import FIGURES, find_peaks
from sdtrace.roofline.peaks_file import read_peaks, toml_of

H100 = "NVIDIA H100 80GB HBM3"
MEASURED: dict[str, Any] = {
    "card": H100,
    "flops_per_s": {"float16": 7e14, "bfloat16": 7.1e14},
    "memory_bytes_per_s": 3e12,
    "l2_bytes": 52428800,
    "launch_us": 2.5,
    "measured_in_s": 4.0,
}


def given(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "card.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_measurement_the_datasheet_counts() -> None:
    peaks = find_peaks(H100)
    assert peaks is not None
    assert (peaks.source, peaks.card) == ("datasheet", "H100 SXM")
    assert "datasheet" in peaks.origin
    assert peaks.flops_per_s["float16"] == 989.4e12
    assert (peaks.memory_bytes_per_s, peaks.l2_bytes) == (3.352e12, 50 * 2**20)
    assert peaks.launch_us is None


def test_what_was_measured_on_the_card_wins_over_its_datasheet() -> None:
    peaks = find_peaks(H100, MEASURED)
    assert peaks is not None
    assert peaks.source == "measured"
    assert peaks.flops_per_s == MEASURED["flops_per_s"]
    assert (peaks.memory_bytes_per_s, peaks.l2_bytes, peaks.launch_us) == (3e12, 52428800, 2.5)
    assert peaks.l2_bytes_per_s is None, "no figure of the table among those measured"


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"flops_per_s": {"float16": -1}, "memory_bytes_per_s": 1e12},
        {"flops_per_s": {"float16": 1e14}, "memory_bytes_per_s": "fast"},
        {"flops_per_s": [], "memory_bytes_per_s": 1e12},
        {"flops_per_s": {"float16": True}, "memory_bytes_per_s": 1e12},
        {"flops_per_s": {"float16": 1e14}, "memory_bytes_per_s": float("nan")},
        {"flops_per_s": {"float16": 10**400}, "memory_bytes_per_s": 10**400},
        ["peaks"],
    ],
)
def test_facts_that_make_no_sense_are_not_believed(facts: Any) -> None:
    peaks = find_peaks(H100, facts)
    assert peaks is not None
    assert peaks.source == "datasheet"


def test_a_users_figures_win_and_the_rest_is_what_is_known(tmp_path: Path) -> None:
    file = given(tmp_path, "memory_bytes_per_s = 2.5e12\n[flops_per_s]\nfloat16 = 600e12\n")
    peaks = find_peaks(H100, MEASURED, file)
    assert peaks is not None
    assert peaks.source == "given"
    assert peaks.flops_per_s == {"float16": 600e12, "bfloat16": 7.1e14}
    assert (peaks.memory_bytes_per_s, peaks.launch_us) == (2.5e12, 2.5)
    assert "card.toml" in peaks.origin
    assert "measured" in peaks.origin


def test_a_file_alone_does_for_a_card_that_nobody_knows(tmp_path: Path) -> None:
    assert find_peaks("My Card") is None
    text = "card = 'mine'\nmemory_bytes_per_s = 1e12\nl2_bytes = 4_194_304\n[flops_per_s]\nfloat32 = 1e13\n"
    peaks = find_peaks("My Card", None, given(tmp_path, text))
    assert peaks is not None
    assert (peaks.card, peaks.flops_per_s, peaks.l2_bytes) == ("mine", {"float32": 1e13}, 4_194_304)


def test_the_card_of_a_trace_without_its_name_is_found_by_properties() -> None:
    peaks = find_peaks(None, properties={"name": "", "numSms": 304, "totalGlobalMem": 206141652992})
    assert peaks is not None
    assert peaks.card == "MI300X"
    assert find_peaks(None) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("memory_bytes_per_s = 'fast'\n", "memory_bytes_per_s is not a positive number"),
        ("l2_bytes = true\n", "l2_bytes is not a positive number"),
        ("memory_bytes_per_s = nan\n", "not a positive number"),
        ("launch_us = 0\n", "not a positive number"),
        ("[flops_per_s]\ntf32 = -1e12\n", "tf32 is not a positive number"),
        ("memory_bytes_per_sec = 1e12\n", "did you mean 'memory_bytes_per_s'"),
        ("[flops_per_s]\nfloat15 = 1e12\n", "unknown dtype 'float15' (did you mean 'float1"),
        ("flops_per_s = 1e12\n", "write [flops_per_s]"),
        ("card = 7\n", "card is not a text"),
        ("memory: fast", "is not TOML"),
        ("memory_bytes_per_s = 1e12\n", "[flops_per_s] is missing"),
        ("[flops_per_s]\nfloat16 = 1e14\n", "memory_bytes_per_s is missing"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_what_and_where(tmp_path: Path, text: str, part: str) -> None:
    path = given(tmp_path, text)
    with pytest.raises(UsageError) as error:
        find_peaks("My Card", None, path)
    assert part in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: cannot read"):
        find_peaks(H100, None, tmp_path / "none.toml")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_bytes(toml_of({**MEASURED, "card": 'a "card"\n\x7f\u2028'}))
    file = read_peaks(path)
    assert file.card == 'a "card"\n\x7f\u2028'
    assert file.flops_per_s == MEASURED["flops_per_s"]
    assert file.figures == {name: MEASURED[name] for name in FIGURES if name in MEASURED}
