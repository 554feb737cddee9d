from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from sdtrace import model
from sdtrace.report.terminal import render_terminal
from tests.report import sample, sample_rows

CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"}


def _printed(report: model.Report, width: int = 80, *, colour: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, write_through=True) as file:
        console = Console(
            file=file, width=width, force_terminal=colour, color_system="truecolor" if colour else None
        )
        render_terminal(report, console, 100)
        return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(len(line) for line in _printed(sample.compared(), width).splitlines()) <= width


def test_wrapped_sentences_are_whole_and_end_without_blanks() -> None:
    evidence = "words of several lengths, so that lines break at all widths " * 6
    finding = replace(sample.cold().findings[0], evidence=evidence)
    for width in range(40, 90):
        text = _printed(sample.report(replace(sample.cold(), findings=[finding])), width)
        lines = [line for line in text.splitlines() if "words" in line or "lengths" in line]
        assert len(lines) > 3
        assert [line for line in lines if line != line.rstrip()] == []
        assert " ".join(evidence.split()) in " ".join(text.split())


def test_no_character_from_a_name_reaches_the_terminal_as_a_command() -> None:
    assert not CONTROLS & set(_printed(sample.report()))


def test_an_escape_sequence_in_a_name_is_spelled_out() -> None:
    assert r"\x1b[31mred\x1b[0m" in _printed(sample.report())


def test_square_brackets_in_names_and_findings_are_no_markup() -> None:
    finding = replace(sample.cold().findings[0], title="[bold red]loud[/] [link=http://a]x[/link] :smile:")
    trace = replace(sample.cold(), name="[blink]name", findings=[finding])
    text = _printed(sample.report(trace))
    assert "[blink]name" in text
    assert "[bold red]loud[/] [link=http://a]x[/link] :smile:" in text


def test_colours_come_only_when_the_console_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in _printed(sample.report(), colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    text = _printed(sample.report(), colour=True)
    assert not any(f"\x1b[{code}" in text for code in ("3", "4", "38", "48"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_console_of_another_encoding_gets_what_it_can_write(encoding: str) -> None:
    trace = replace(sample.cold(), name="трасса")
    text = _printed(sample.report(trace), encoding=encoding)
    assert r"\u0442\u0440\u0430" in text
    assert "12.0 us" in text


def test_findings_are_told_before_kernels_and_overhead_before_findings() -> None:
    text = _printed(sample.report())
    order = ["One-time cost 82.3 s", "1. high", "Why the GPU was idle", "Kernels", "Ops"]
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_a_narrow_terminal_keeps_names_readable() -> None:
    lines = _printed(sample.report(), 60).splitlines()
    assert any(line.startswith("implicit_gemm bf") and "141 ms" in line for line in lines)


def test_a_trace_without_a_device_shows_no_columns_for_one() -> None:
    text = _printed(sample.report(sample.bare()))
    assert "Self GPU" not in text
    assert "cudaLaunchKernel" in text


def test_break_even_is_told_with_its_arithmetic() -> None:
    text = " ".join(_printed(sample.compared()).split())
    assert "after 205 images" in text
    assert "82.25 s paid once / (0.520 s - 0.118 s saved per image) = 204.7" in text


def test_an_unpaid_overhead_is_never_paid_back() -> None:
    report = sample.compared()
    assert report.comparison is not None
    (row,) = report.comparison.rows
    slower = replace(report.comparison, rows=[replace(row, break_even_iterations=None, speedup=0.5)])
    assert "never: not faster" in _printed(replace(report, comparison=slower), 120)


def test_hostile_sample_names_are_all_shown() -> None:
    text = _printed(sample.report(), 120)
    assert sample_rows.SCRIPT in text
    assert sample_rows.CLOSING in text
