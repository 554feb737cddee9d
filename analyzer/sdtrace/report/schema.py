"""Print the JSON Schema of `report.json`: `python -m sdtrace.report.schema > docs/report.schema.json`."""

from __future__ import annotations

import sys

import msgspec

from sdtrace.report.to_json import schema


def text() -> str:
    """The schema as indented JSON with a newline at its end, as the published file has it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
