"""What `sdtrace roofline` prints: the card, the iteration at the speed of light, the work that loses most."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from sdtrace import units
from sdtrace.model import SpeedOfLight, TraceReport
from sdtrace.report.console import Page
from sdtrace.tables import TERMINAL, fill_all
from sdtrace.tables.work_tables import ROOFLINE

_MUCH = 0.1
_NEEDED = (
    "It takes shapes (record_shapes=True), and of Triton kernels which arguments they write: "
    "sdtrace collect records both."
)
_SOURCES = {"measured": "measured on it", "datasheet": "as its maker states", "given": "as given"}


def render_roofline(report: TraceReport, console: Console, top: int) -> None:
    """Print it; `top` rows of work."""
    page = Page(console)
    page.line(report.name, "bold underline")
    for sentence in sentences(report):
        page.line(sentence)
    console.print()
    for filled in fill_all(ROOFLINE, report, TERMINAL, top):
        page.table(filled, "report.json (sdtrace analyze)")


def sentences(report: TraceReport) -> Iterator[str]:
    """What is known of the card, and of a steady iteration on it."""
    light = report.speed_of_light
    if light is None:
        yield _why_not(report)
        return
    yield from _card(light)
    yield from _image(report, light)
    yield from _devices(light)
    yield from _read_again(report)
    if light.best_dtype and light.best_dtype_us < light.image_us:
        yield f"All of it in {light.best_dtype} would take {units.duration(light.best_dtype_us)}."
    if light.unnamed_in_graphs:
        pieces = f"{units.count(light.unnamed_in_graphs)} of {units.count(light.in_graphs)} pieces of work"
        yield f"{pieces} in CUDA graphs have no op: the trace does not hold how they were recorded."


def _image(report: TraceReport, light: SpeedOfLight) -> Iterator[str]:
    wall = f"A steady {report.noun} takes {units.duration(light.wall_us)} with the profiler."
    unknown_us = sum(part.us for part in light.waterfall if part.part == "unknown")
    unknown = units.duration(unknown_us)
    if not any(part.part == "roofline" for part in light.waterfall):
        yield f"{wall} The least time of its {unknown} of work is not known. {_NEEDED}"
        return
    share = units.share(100 * light.image_us / light.wall_us)
    work = "The work of its busiest GPU" if light.devices else "Its work"
    yield f"{wall} {work} at these peaks takes {units.duration(light.image_us)}, {share} of that."
    if unknown_us > _MUCH * light.image_us:
        yield f"{unknown} of it is work whose least time is not known: it counts in full. {_NEEDED}"


def _devices(light: SpeedOfLight) -> Iterator[str]:
    """Each of several GPUs, and what its work takes at its peaks."""
    for place, device in enumerate(light.devices):
        number = place if device.device is None else device.device
        busy = f"GPU {number} is busy for {units.duration(device.busy_us)}"
        is_known = any(part.part == "roofline" for part in device.waterfall)
        yield f"{busy}; at these peaks {units.duration(device.image_us)}." if is_known else f"{busy}."


def _read_again(report: TraceReport) -> Iterator[str]:
    """Where fused kernels read from memory what they had read before."""
    rows = [row for row in report.ops_by_shape if row.dram_bytes_read is not None]
    needed = sum(row.bytes_read or 0 for row in rows)
    read = sum(row.dram_bytes_read or 0 for row in rows)
    if read > (1 + _MUCH) * needed:
        worst = max(rows, key=lambda row: (row.dram_bytes_read or 0) - (row.bytes_read or 0))
        yield (
            f"Fused kernels read {units.size(read)} from memory where {units.size(needed)} would do: "
            f"they return to data that the cache has lost, {worst.op} most of all."
        )


def _card(light: SpeedOfLight) -> Iterator[str]:
    peaks = light.peaks
    rates = [f"{units.flops(peaks.flops_per_s[dtype])}/s {dtype}" for dtype in _shown(peaks.flops_per_s)]
    memory = f"{units.rate(peaks.memory_bytes_per_s / 1e12)} TB/s memory"
    yield f"{peaks.card}, {_SOURCES[peaks.source]}: {', '.join([memory, *rates])}."


def _shown(rates: dict[str, float]) -> list[str]:
    return [dtype for dtype in ("float32", "tf32", "bfloat16", "float16", "float8") if dtype in rates]


def _why_not(report: TraceReport) -> str:
    if not report.has_device:
        return "The trace holds no GPU work."
    if report.steady is None:
        return f"No {report.noun} is steady, so none is held against the card."
    if len({device.name for device in report.devices}) > 1:
        return f"The trace holds GPUs of several kinds: no {report.noun} is held against one card."
    name = report.device.get("name") or "this GPU"
    return f"Nothing is known of what {name} can do; give its peaks with --peaks (see docs/peaks.md)."
