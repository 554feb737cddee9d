"""The long tables: GPU work by kernel, and ops as torch's own table has them."""

from __future__ import annotations

from typing import Final

from sdtrace import model
from sdtrace.tables import rows
from sdtrace.tables.columns import DATA, HTML, PAGES, Column, Kind
from sdtrace.tables.notes import op_note
from sdtrace.tables.shared_columns import BYTES, DATA_ONLY, PAGES_AND_DATA, TBPS, calls, share
from sdtrace.tables.table import Table

KERNELS: Final = Table(
    id="kernels",
    title="Kernels, copies and fills",
    record=model.Kernel,
    rows=rows.kernels,
    help="GPU work by name.",
    is_long=True,
    sorted_by="total_us",
    columns=(
        Column("name", "Full name", Kind.NAME, "The name in the trace.", DATA_ONLY),
        Column("short_name", "Name", Kind.NAME, "Operation, data type and tile.", full="name"),
        Column("category", "Category", Kind.TEXT, "The kind of work."),
        Column("total_us", "GPU time", Kind.TIME, "GPU time of all calls."),
        Column("pct", "Share", Kind.SHARE, "Share of all GPU work."),
        calls("it ran"),
        Column("mean_us", "Mean", Kind.TIME, "Mean duration of a call."),
        Column("min_us", "Min", Kind.TIME, "Shortest call.", PAGES_AND_DATA),
        Column("max_us", "Max", Kind.TIME, "Longest call.", PAGES_AND_DATA),
        Column(
            "fused_kind",
            "Fused",
            Kind.TEXT,
            "Of a kernel that Inductor generated: pointwise, reduction, persistent or template.",
            frozenset({DATA, HTML}),
            optional=True,
        ),
        Column("fused_ops", "Fused ops", Kind.TEXT, "The ATen ops in its name.", DATA_ONLY),
        Column("flops", "FLOPs", Kind.FLOPS, "Operations of all calls.", DATA_ONLY),
        *BYTES,
        Column("tbps", "TB/s", Kind.RATE, TBPS, PAGES_AND_DATA, optional=True),
        Column("pct_of_peak", "Of peak", Kind.SHARE, "Least time of it.", PAGES_AND_DATA, optional=True),
        Column("bytes_are", "Bytes are", Kind.TEXT, "exact, or a bound.", DATA_ONLY),
    ),
)


def _cpu_us(trace: model.TraceReport) -> float:
    return sum(op.self_cpu_us for op in trace.ops)


def _device_us(trace: model.TraceReport) -> float:
    return sum(op.self_device_us for op in trace.ops if op.is_work)


def _memory(field: str, header: str, text: str) -> Column:
    return Column(field, header, Kind.BYTES, text, PAGES_AND_DATA, optional=True)


OPS: Final = Table(
    id="ops",
    title="Ops",
    record=model.Op,
    rows=rows.ops,
    help="The op table, as torch's key_averages() has it.",
    is_long=True,
    sorted_by="self_device_us",
    note=op_note,
    columns=(
        Column("name", "Name", Kind.NAME, "The op, runtime call, annotation or kernel."),
        Column(
            "kind",
            "Kind",
            Kind.TEXT,
            "`range` for the device's copy of an annotation, `wait` for a wait, `device` for GPU work.",
            PAGES,
            rows.kind_of,
            optional=True,
        ),
        Column("device_type", "Device", Kind.TEXT, "cpu or device.", DATA_ONLY),
        Column("is_user_annotation", "Annotation", Kind.FLAG, "Whether it is an annotation.", DATA_ONLY),
        Column("is_wait", "Wait", Kind.FLAG, "Whether it is a wait (`cuda_sync`).", DATA_ONLY),
        Column("self_cpu_us", "Self CPU", Kind.TIME, "CPU time in it and in nothing within it."),
        share(
            "self_cpu_pct",
            "Self CPU %",
            "Share of the self CPU time of all rows.",
            _cpu_us,
            value=lambda op: op.self_cpu_us,
        ),
        Column("cpu_total_us", "CPU total", Kind.TIME, "CPU time in it.", PAGES_AND_DATA),
        share(
            "cpu_total_pct",
            "CPU total %",
            "Share of the self CPU time of all rows.",
            _cpu_us,
            value=lambda op: op.cpu_total_us,
            media=PAGES,
        ),
        Column(
            "cpu_avg_us",
            "CPU avg",
            Kind.TIME,
            "Mean CPU time of a call.",
            PAGES,
            lambda op: op.cpu_total_us / op.calls if op.calls else 0.0,
        ),
        Column(
            "self_device_us",
            "Self GPU",
            Kind.TIME,
            "GPU work it launched itself; of a range or a wait its span, which is no work.",
            optional=True,
            unranked=lambda op: op.is_range or op.is_wait,
        ),
        share(
            "self_device_pct",
            "Self GPU %",
            "Share of all GPU work; none for a range or a wait, which are no work.",
            _device_us,
            value=lambda op: op.self_device_us if not (op.is_range or op.is_wait) else None,
            optional=True,
        ),
        Column(
            "device_total_us",
            "GPU total",
            Kind.TIME,
            "GPU work launched in it.",
            PAGES_AND_DATA,
            optional=True,
        ),
        Column(
            "device_avg_us",
            "GPU avg",
            Kind.TIME,
            "Mean GPU time of a call.",
            PAGES,
            lambda op: op.device_total_us / op.calls if op.calls else 0.0,
            optional=True,
        ),
        calls("it was called"),
        Column(
            "flops",
            "FLOPs",
            Kind.FLOPS,
            "Floating-point operations, from recorded shapes.",
            PAGES_AND_DATA,
            optional=True,
        ),
        _memory("cpu_memory_bytes", "CPU mem", "Bytes allocated less bytes freed on the CPU while it ran."),
        _memory("self_cpu_memory_bytes", "Self CPU mem", "The same, without what ran within it."),
        _memory("device_memory_bytes", "GPU mem", "Bytes allocated less bytes freed on the GPU."),
        _memory("self_device_memory_bytes", "Self GPU mem", "The same, without what ran within it."),
    ),
)
