"""`report.json`, and the JSON Schema that describes it."""

from __future__ import annotations

from typing import Any

import msgspec

from sdtrace.model import SCHEMA, Report
from sdtrace.report.names import visible

_AS_RECORDED = frozenset({"run", "device"})
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def render_json(report: Report) -> bytes:
    """The report as UTF-8 JSON: keys in the model's order, every table row on a line of its own.

    That layout is as small as compact JSON to within a few percent, and still works with `grep`,
    `diff` and `less`. Names are kept as the trace has them, except file paths that are not text.
    """
    content = msgspec.to_builtins(report)
    for trace in content["traces"]:
        # A file name may hold bytes that are no UTF-8: Python carries them as surrogates, JSON cannot.
        trace["path"], trace["name"] = visible(trace["path"]), visible(trace["name"])
    return _laid_out(_rounded(content), "") + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `report.json`.

    Unknown keys are allowed, so that a later version can add fields without breaking a reader.
    """
    described = msgspec.json.schema(Report)
    described["$defs"]["Report"]["properties"]["schema"] = {"const": SCHEMA}
    return {
        "$schema": SCHEMA_ID,
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
        "title": f"sdtrace report ({SCHEMA})",
        **described,
    }


def _rounded(value: Any) -> Any:
    """Three decimals, which for microseconds is exact; the facts of the run stay as they were recorded."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    if isinstance(value, dict):
        return {key: entry if key in _AS_RECORDED else _rounded(entry) for key, entry in value.items()}
    return value


def _laid_out(value: object, indent: str) -> bytes:
    """Objects and lists of objects one entry per line; a table's row, and any other value, compact."""
    inner = indent + " "
    if isinstance(value, dict) and any(isinstance(entry, (dict, list)) for entry in value.values()):
        lines = [msgspec.json.encode(key) + b": " + _laid_out(entry, inner) for key, entry in value.items()]
        return _block(b"{", lines, b"}", indent)
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return _block(b"[", [_laid_out(entry, inner) for entry in value], b"]", indent)
    return msgspec.json.encode(value)


def _block(opening: bytes, lines: list[bytes], closing: bytes, indent: str) -> bytes:
    margin = b"\n" + indent.encode()
    return opening + margin + b" " + (b"," + margin + b" ").join(lines) + margin + closing
