"""torch's own `key_averages()` as JSON: what the analyzer's op table is held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def write_golden(profiler: Any, path: Path) -> None:
    """Writes `{"self_cpu_total_us", "rows"}` at full precision. Times in microseconds, as torch has them."""
    averages = profiler.key_averages()
    rows = [_row(average) for average in averages]
    path.write_bytes(msgspec.json.encode({"self_cpu_total_us": averages.self_cpu_time_total, "rows": rows}))


def _row(average: Any) -> dict[str, object]:
    return {
        "key": average.key,
        "count": average.count,
        "device_type": str(average.device_type),
        "is_user_annotation": bool(average.is_user_annotation),
        "cpu_time_total": average.cpu_time_total,
        "self_cpu_time_total": average.self_cpu_time_total,
        "device_time_total": average.device_time_total,
        "self_device_time_total": average.self_device_time_total,
        "flops": average.flops,
    }
