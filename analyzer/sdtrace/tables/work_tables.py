"""The tables of GPU work held against the card."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sdtrace.model import Kernel, TraceReport
from sdtrace.model.work import OpByShape, WaterfallPart
from sdtrace.tables import rows
from sdtrace.tables.columns import PAGES, TERMINAL, Column, Kind
from sdtrace.tables.labels import CAUSES, WATERFALL_PARTS
from sdtrace.tables.shared_columns import BYTES, DATA_ONLY, PAGES_AND_DATA, TBPS
from sdtrace.tables.table import Bar, Table


def _lost_first(trace: TraceReport) -> list[OpByShape]:
    """What loses most first; then, longest first, what has no least time."""
    return sorted(trace.ops_by_shape, key=lambda row: (-(row.lost_us or 0.0), -row.device_us))


def _waterfall_title(trace: TraceReport) -> str:
    light = trace.speed_of_light
    return f"Where a steady {trace.noun} goes" + (f", on {light.card}" if light else "")


def _of(row: WaterfallPart) -> str:
    """A component, a category of work, or a cause of idle time in words."""
    return CAUSES.get(row.name, row.name) if row.part == "idle" else row.name


WATERFALL: Final = Table(
    id="waterfall",
    title=_waterfall_title,
    record=WaterfallPart,
    rows=lambda trace: trace.waterfall,
    help="The median steady wall, in parts that sum to it; see docs/roofline.md.",
    columns=(
        Column("part", "Part", Kind.TEXT, "What kind of time it is.", PAGES_AND_DATA, labels=WATERFALL_PARTS),
        Column("name", "Name", Kind.TEXT, "A component, a category, or a cause of idle time.", DATA_ONLY),
        Column("of", "Of", Kind.TEXT, "A component, a category, or a cause of idle time.", PAGES, _of),
        Column("us", "Time", Kind.TIME, "How long it is; negative where streams overlap.", PAGES_AND_DATA),
        Column(
            "share",
            "Share",
            Kind.SHARE,
            "Share of the wall.",
            PAGES,
            lambda row: row.us,
            lambda trace: sum(row.us for row in trace.waterfall),
        ),
    ),
    bar=Bar("us", style="work"),
)

_IN_ORDER: Final = "Of its tensors, in order."

OPS_BY_SHAPE: Final = Table(
    id="ops_by_shape",
    title="Work by op and shape",
    record=OpByShape,
    rows=_lost_first,
    help="GPU work by op, shapes and types, beside what the card could do; see docs/roofline.md.",
    is_long=True,
    sorted_by="lost_us",
    columns=(
        Column("op", "Op", Kind.NAME, "The op that launched it.", PAGES_AND_DATA),
        Column("input_dims", "Shapes", Kind.TEXT, _IN_ORDER, PAGES_AND_DATA, optional=True),
        Column("input_types", "Types", Kind.TEXT, _IN_ORDER, DATA_ONLY),
        Column("calls", "Calls", Kind.COUNT, "How often it was called.", PAGES_AND_DATA),
        Column("device_us", "GPU time", Kind.TIME, "GPU time of all calls.", PAGES_AND_DATA),
        Column("lost_us", "Lost", Kind.TIME, "Time beyond the least.", PAGES_AND_DATA, optional=True),
        Column(
            "pct_of_peak",
            "Of peak",
            Kind.SHARE,
            "Least time as a share of it.",
            PAGES_AND_DATA,
            optional=True,
        ),
        Column("bound", "Bound", Kind.TEXT, "What bounds the least time.", PAGES_AND_DATA, optional=True),
        Column("flops", "FLOPs", Kind.FLOPS, "Operations of all calls.", DATA_ONLY),
        *BYTES,
        Column("tflops", "TFLOP/s", Kind.RATE, "Tera-operations per second.", PAGES_AND_DATA, optional=True),
        Column("tbps", "TB/s", Kind.RATE, TBPS, PAGES_AND_DATA, optional=True),
        Column("exact", "Exact", Kind.FLAG, "Whether the bytes are exact.", DATA_ONLY),
    ),
)

_TERMINAL: Final = frozenset({TERMINAL})


def _op_and_shapes(row: OpByShape) -> str:
    """The op and its first two shapes that are more than a vector."""
    shapes = [shape for shape in row.input_dims.split(", ") if "x" in shape] or row.input_dims.split(", ")
    return f"{row.op.removeprefix('aten::')} {', '.join(shapes[:2])}".rstrip()


def _rereading_first(trace: TraceReport) -> list[Kernel]:
    """Fused kernels of which it is known what they read; what reads most beyond need first."""
    known = [kernel for kernel in rows.kernels(trace) if kernel.dram_bytes_read is not None]
    return sorted(known, key=lambda kernel: (kernel.bytes_read or 0) - (kernel.dram_bytes_read or 0))


_KERNEL_READS: Final = Table(
    id="kernel_reads",
    title="What fused kernels read",
    record=Kernel,
    rows=_rereading_first,
    help="Bytes that fused kernels must read, and those that they read from memory.",
    is_long=True,
    columns=(
        Column("short_name", "Kernel", Kind.NAME, "", _TERMINAL),
        Column("bytes_read", "Must read", Kind.BYTES, "", _TERMINAL),
        Column("dram_bytes_read", "Reads", Kind.BYTES, "", _TERMINAL),
        Column("total_us", "GPU time", Kind.TIME, "", _TERMINAL),
        Column("calls", "Calls", Kind.COUNT, "", _TERMINAL),
    ),
)

_WHAT: Final = Column("what", "Op and shapes", Kind.NAME, "", _TERMINAL, _op_and_shapes)
_SHOWN: Final = ("lost_us", "device_us", "pct_of_peak", "bound", "tbps", "tflops", "calls")
_OF_FIELD: Final = {column.field: column for column in OPS_BY_SHAPE.columns}

ROOFLINE: Final = (
    replace(
        WATERFALL,
        columns=tuple(
            replace(column, media=_TERMINAL) for column in WATERFALL.columns if column.media & PAGES
        ),
    ),
    replace(
        OPS_BY_SHAPE,
        columns=(_WHAT, *(replace(_OF_FIELD[field], media=_TERMINAL) for field in _SHOWN)),
    ),
    _KERNEL_READS,
)
"""The same tables as `sdtrace roofline` prints them, and what fused kernels read."""
