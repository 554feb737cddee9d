"""Collectives counted straight from the JSON, by another way than ours: from the kernels' own arguments."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

SIZES = {"BFloat16": 2, "Half": 2, "Float": 4, "Int": 4, "Long": 8, "float": 4, "int": 4, "long": 8}


def events_of(path: Path) -> list[dict[str, Any]]:
    """The events, times as exact decimals."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    events: list[dict[str, Any]] = json.loads(text, parse_float=Decimal)["traceEvents"]
    return events


def by_kernel(path: Path) -> dict[tuple[int, str], tuple[int, Decimal]]:
    """Kernels of NCCL by bytes and type: how many, and their time in microseconds."""
    found: defaultdict[tuple[int, str], list[Decimal]] = defaultdict(list)
    for event in events_of(path):
        if event.get("cat") == "kernel" and "nccl" in event["name"]:
            args = event["args"]
            elements = max(args["In msg nelems"], args["Out msg nelems"])
            found[elements * SIZES[args["dtype"]], args["dtype"]].append(Decimal(event["dur"]))
    return {key: (len(times), sum(times, Decimal(0))) for key, times in found.items()}
