"""The boundary between the analysis, in integer nanoseconds, and the report, in microseconds."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, TypeVar

from sdtrace.breakdowns.iterations import IterationRow, StepRow
from sdtrace.model import Struct
from sdtrace.phases.compile_stages import Stage
from sdtrace.waiting.devices import DeviceRow

Record = TypeVar("Record", bound=Struct)
Row: TypeAlias = "NamedTuple | IterationRow | StepRow | Stage | DeviceRow"


def us(ns: float) -> float:
    """Nanoseconds as microseconds."""
    return ns / 1000


def in_microseconds(row: Row, record: type[Record], **more: Any) -> Record:
    """`row` as a `record` of the report: `total_ns` becomes `total_us`, other fields stay as they are.

    `more` gives fields that the row has not, or replaces its own. Raises TypeError where names differ
    otherwise: the two are one thing in two units.

    >>> from sdtrace import model
    >>> from sdtrace.waiting.idle import Cause
    >>> in_microseconds(Cause("sync", 1500, 2), model.IdleCause).us
    1.5
    """
    fields: dict[str, Any] = {}
    for name, value in (row._asdict() if isinstance(row, tuple) else vars(row)).items():
        if name == "ns" or name.endswith("_ns"):
            fields[name.removesuffix("ns") + "us"] = None if value is None else us(value)
        else:
            fields[name] = value
    return record(**(fields | more))
