"""Measured peaks as text for a terminal of 80 columns. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sdtrace.model.work import Peaks
from sdtrace.safe_text import visible
from sdtrace.units import percent, size
from sdtrace_collector.peaks.record import MeasuredPeaks

_PREFIXES: Final = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))
_WIDTHS: Final = (22, 14)


def page_of(measured: MeasuredPeaks, stated: Peaks | None) -> str:
    """A line for each figure, where the card is in the table with the share of its maker's figure."""
    lines = [visible(f"{measured.card}, measured in {measured.measured_in_s or 0:.1f} s"), ""]
    for name, figure, meaning in _rows(measured, stated):
        lines.append(f"{name:<{_WIDTHS[0]}}{figure:>{_WIDTHS[1]}}  {meaning}".rstrip())
    if stated:
        lines += ["", f"Percentages are of the table's figures for the {stated.card}: docs/peaks.md."]
    return "\n".join(lines)


def _rows(measured: MeasuredPeaks, stated: Peaks | None) -> Iterator[tuple[str, str, str]]:
    for name, rate in measured.flops_per_s.items():
        unit = "OP/s" if name == "int8" else "FLOP/s"
        yield (
            f"matmul {name}",
            _rate(rate, unit),
            _part(rate, stated.flops_per_s.get(name) if stated else None),
        )
    cache = f"cache, {size(measured.l2_bytes)}" if measured.l2_bytes else "cache"
    for field, name in (
        ("memory_bytes_per_s", "memory"),
        ("l2_bytes_per_s", cache),
        ("pcie_bytes_per_s", "copy, host"),
        ("nvlink_bytes_per_s", "copy, other GPU"),
    ):
        rate = getattr(measured, field)
        if rate:
            yield name, _rate(rate, "B/s"), _part(rate, getattr(stated, field, None))
    if measured.launch_us:
        yield "launch", f"{measured.launch_us:.2f} µs", "CPU time per launched kernel"
    if measured.graph_gap_us:
        yield "kernel in CUDA graph", f"{measured.graph_gap_us:.2f} µs", "GPU time per empty kernel"


def _part(rate: float, stated: float | None) -> str:
    return percent(rate, stated) if stated else ""


def _rate(value: float, unit: str) -> str:
    value = float(f"{value:.3g}")
    scale, prefix = next((pair for pair in _PREFIXES if value >= pair[0]), _PREFIXES[-1])
    return f"{f'{value / scale:#.3g}'.rstrip('.')} {prefix}{unit}"
