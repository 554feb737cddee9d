"""How many workers a machine has room for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sdtrace.fleets.items import Item

_AT_REST_BYTES: Final = 160 << 20
"""What a worker holds before its first trace, measured."""
_TIMES_PLAIN: Final = 0.75
"""What a worker needs for a trace, in times of its bytes; measured from 3 MB to 4 GB."""
_EXPANSION: Final = 20
"""In times of which compressed traces grow: 15 to 40 by gzip, most of them less than 20."""
_COMPRESSED: Final = (".gz", ".xz", ".zst")
_UNKNOWN_BYTES: Final = 100 << 20
"""How large a trace is taken to be where its store does not tell."""
_SHARE: Final = 0.8
"""Of the free memory, for all workers."""


def workers_for(items: Sequence[Item], asked: int | None = None) -> int:
    """As many as the machine has processors for, and memory for the largest trace in each at a time."""
    if asked is not None:
        return max(1, min(asked, len(items)))
    needed = _AT_REST_BYTES + max((_needed(item) for item in items), default=0.0)
    room = int(_SHARE * free_bytes() / needed)
    return max(1, min(processors(), room, len(items)))


def processors() -> int:
    """The processors that this process may use, the quota of a container included."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdecimal() and period.strip().isdecimal():
        count = min(count, max(1, int(quota) // int(period)))
    return count


def free_bytes() -> int:
    """The memory that is free, the limit of a container included; 4 GiB where the system does not tell."""
    lines = dict(line.split(":", 1) for line in _read("/proc/meminfo").splitlines() if ":" in line)
    free = int(lines["MemAvailable"].split()[0]) << 10 if "MemAvailable" in lines else 4 << 30
    most, used = (_read(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if most.isdecimal() and used.isdecimal():
        free = min(free, int(most) - int(used))
    return max(0, free)


def _needed(item: Item) -> float:
    plain = item.size or _UNKNOWN_BYTES
    return _TIMES_PLAIN * plain * (_EXPANSION if item.source.endswith(_COMPRESSED) else 1)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
