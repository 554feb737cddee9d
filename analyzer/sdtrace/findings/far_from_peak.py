"""Findings about work that is far from what the card can do: norms, convolutions, slower clocks, memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sdtrace import units
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, lower, rows_of, severity_of
from sdtrace.findings.text import listed, percent, time
from sdtrace.model import EvidenceRow
from sdtrace.roofline.by_shape import ShapeRow
from sdtrace.whatif.labels import SHORT_DATA

_NORM = re.compile(r"^aten::(?:native_group_norm|native_layer_norm|_fused_rms_norm|cudnn_batch_norm)$")
_CONVOLUTION = re.compile(r"^aten::(?:cudnn_convolution\w*|miopen_convolution\w*|_?convolution)$")
_HALF = re.compile(r"\bc10::(?:Half|BFloat16)\b")
_NORM_SHARE = 5.0
_CONVOLUTION_SHARE = 10.0
"""Percent of steady GPU time from which such work is worth a finding."""
_LATENCY_SHARE = 20.0
"""A pipeline at its usual size spends up to a seventh of its GPU time so."""
_FAR = 0.3
"""Of the least time. Good kernels reach half and more of a card's peak on work of this size."""
_SLOWER = 1.05
"""The median kernel of 54 traces of cards that kept their clock stayed within 1.5 percent."""
_CLOCK_SHARE = 10.0
_NO_MEMORY_SHARE = 2.0
_NEAR_LIMIT = 0.9
"""Of the device's memory. Beyond it a larger image or batch is likely to fail."""


class _Known(NamedTuple):
    """Rows of work whose least time is known: their time, and that."""

    rows: list[ShapeRow]
    ns: int
    roof_ns: int

    @property
    def is_far(self) -> bool:
        """Whether the card could do it in much less."""
        return self.ns > 0 and self.roof_ns < _FAR * self.ns


def find(e: Evidence) -> Iterator[Finding]:
    """Work far from the roofline, and what slows all of it."""
    for part in (_norms, _convolutions, _latency):
        yield from part(e)
    yield from _clock(e)
    yield from _memory(e)


def _known(e: Evidence, ops: re.Pattern[str]) -> _Known:
    rows = [row for row in e.work_by_shape if row.roof_ns is not None and ops.match(row.op)]
    return _Known(rows, sum(row.device_ns for row in rows), sum(row.roof_ns or 0 for row in rows))


def _norms(e: Evidence) -> Iterator[Finding]:
    work = _known(e, _NORM)
    if e.steady_share(work.ns) < _NORM_SHARE or not work.is_far:
        return
    worst = work.rows[0]
    why = (
        " It gives each group of channels to one block of threads, and leaves the other multiprocessors idle."
    )
    yield Finding(
        "device.norm",
        "medium",
        "Normalization uses little of the card's memory bandwidth",
        f"{percent(work.ns, e.steady_work_ns)} of steady GPU time, at "
        f"{percent(work.roof_ns, work.ns)} of what the card can do. Most is `{worst.op}` on "
        f"{worst.input_dims.split(',')[0]}.{why if 'group_norm' in worst.op else ''}",
        f"Compile the model that holds it{_often_left_out(e)}: Inductor spreads such a reduction "
        "over the card and fuses what follows. Larger batches help as well. At best the card's "
        "memory is all that limits it then.",
        saving_ns=e.per_iteration(work.ns - work.roof_ns),
        confidence="likely",
        evidence_rows=_shapes(work.rows),
        verify=e.query(_by_shape("norm")),
    )


def _convolutions(e: Evidence) -> Iterator[Finding]:
    work = _known(e, _CONVOLUTION)
    if e.steady_share(work.ns) < _CONVOLUTION_SHARE or not work.is_far:
        return
    worst = max(work.rows, key=lambda row: row.lost_ns or 0)
    search = "" if e.searches else "Let cuDNN try its algorithms: `torch.backends.cudnn.benchmark = True`. "
    convert = e.conversions.forward_ns
    converting = (
        f" {percent(convert, work.ns)} of their time converts layouts." if convert > _FAR * work.ns else ""
    )
    is_half = _HALF.search(worst.input_types)
    faster = f"{'Compiled' if is_half else 'A half-precision type and compiled'} code takes faster kernels."
    yield Finding(
        "device.convolution",
        lower("medium", severity_of(e.share_of_iteration(work.ns - work.roof_ns))),
        "Convolutions run far below what the card can do",
        f"{percent(work.ns, e.steady_work_ns)} of steady GPU time, at "
        f"{percent(work.roof_ns, work.ns)} of what the card can do. Most is lost on "
        f"{worst.input_dims.split(',')[0]}, at {percent(worst.roof_ns or 0, worst.device_ns)}.{converting}",
        f"{search}Small {'images' if e.makes_images else 'inputs'} leave most of the card idle: make larger "
        f"batches. {faster}",
        confidence="likely",
        evidence_rows=_shapes(sorted(work.rows, key=lambda row: -(row.lost_ns or 0))),
        verify=e.query(_by_shape("convolution")),
    )


def _latency(e: Evidence) -> Iterator[Finding]:
    rows = [row for row in e.work_by_shape if row.bound == "latency"]
    ns = sum(row.device_ns for row in rows)
    if e.steady_share(ns) < _LATENCY_SHARE:
        return
    yield Finding(
        "device.latency",
        "low",
        "Much GPU time goes to work that is too small for the card",
        f"{percent(ns, e.steady_work_ns)} of steady GPU time is in calls that the whole card could do in "
        f"less time than any kernel takes. Most is `{rows[0].op}` on {rows[0].input_dims.split(',')[0]}. "
        "Such a call keeps few of the multiprocessors busy.",
        f"Give each call more work: {e.larger_batches}, or fusion with what stands around it "
        "(`torch.compile`).",
        confidence="likely",
        evidence_rows=_shapes(rows),
        verify=e.query(
            "SELECT op, input_dims, calls, device_us / 1000 AS ms FROM ops_by_shape "
            "WHERE bound = 'latency' ORDER BY ms DESC LIMIT 10"
        ),
    )


def _shapes(rows: list[ShapeRow]) -> list[EvidenceRow]:
    return rows_of("ops_by_shape", [f"{row.op} {row.input_dims}" for row in rows])


def _by_shape(op: str) -> str:
    return (
        "SELECT op, input_dims, device_us / 1000 AS ms, pct_of_peak, lost_us / 1000 AS lost_ms "
        f"FROM ops_by_shape WHERE op ~ '{op}' ORDER BY lost_ms DESC LIMIT 10"
    )


def _clock(e: Evidence) -> Iterator[Finding]:
    slower = e.slower
    if slower is None or slower.ratio < _SLOWER or e.steady_share(slower.ns) < _CLOCK_SHARE:
        return
    yield Finding(
        "device.clock",
        lower("medium", severity_of(e.share_of_iteration(slower.ns * (1 - 1 / slower.ratio)))),
        f"The GPU got slower: the same kernels take {slower.ratio:.2f} times as long at the end",
        f"The median over products, convolutions and attention with the same arguments, {time(slower.ns)} of "
        f"steady GPU time. The largest is {listed([slower.example])}.",
        "The card lowered its clock: heat, a power limit, or another process. Watch "
        "`nvidia-smi -q -d CLOCK,PERFORMANCE` while it runs, and compare runs at one clock "
        "(`nvidia-smi --lock-gpu-clocks`).",
        confidence="likely",
        evidence_rows=rows_of("kernels", [slower.example]),
        verify=e.query(
            "SELECT iteration, sum(dur_ns) / 1e6 AS ms FROM launches WHERE phase = 'steady' "
            "AND kind = 'kernel' GROUP BY iteration ORDER BY iteration"
        ),
    )


def _without_memory(e: Evidence) -> str:
    """That cuDNN has no memory left to convolve fast, where its kernels show it."""
    rows = [row for row in e.steady_kernels if SHORT_DATA.search(row.name)]
    ns = sum(row.total_ns for row in rows)
    if e.steady_share(ns) < _NO_MEMORY_SHARE:
        return ""
    return (
        f" cuDNN finds no memory to work in: {percent(ns, e.steady_work_ns)} of steady GPU time is in "
        f"kernels that need none and leave tensor cores idle, such as {listed([rows[0].short_name])}."
    )


def _often_left_out(e: Evidence) -> str:
    return " (the VAE too, which is often left out)" if e.makes_images else ""


def _less_memory(e: Evidence) -> str:
    if e.makes_images:
        return (
            "Expect out-of-memory errors with larger images or batches. Free what is not needed "
            "(`vae.enable_slicing()`, a smaller type, offloading the text encoder)"
        )
    return (
        "Servers of language models take it on purpose, for their cache. Otherwise expect out-of-memory "
        "errors with larger inputs or batches. Free what is not needed (a smaller type, smaller batches)"
    )


def _memory(e: Evidence) -> Iterator[Finding]:
    peak = e.memory_peak
    if peak is None or peak.reserved < _NEAR_LIMIT * peak.total:
        return
    yield Finding(
        "device.memory_limit",
        "medium",
        "GPU memory is almost full",
        f"PyTorch held {units.size(peak.reserved)} of {units.size(peak.total)}.{_without_memory(e)}",
        f"{_less_memory(e)}, or set `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True`.",
        evidence_rows=rows_of("devices", [peak.device]),
        verify=e.query("SELECT device, max(reserved_bytes) AS reserved FROM memory GROUP BY device"),
    )
