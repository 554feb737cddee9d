"""A fleet of our own making: real traces with other times, days, hosts and ranks, and what is planted."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
SHIPPED: Final = tuple(
    ROOT / "traces" / f"h200-{name}"
    for name in (
        "fp32_eager.json",
        "bf16_sdpa_cudagraphs.json",
        "bf16_sdpa_eager.stack.json.gz",
        "bf16_sdpa_eager.cudnn_benchmark.json.xz",
        "bf16_sdpa_regional.cold.json.gz",
    )
)
TINY: Final = (ROOT / "tests" / "field" / "component_annotations_two_images.json.gz",)
HOSTS: Final = ("gpu1", "gpu2", "gpu3", "gpu4", "gpu5")
SLOW_HOST: Final = "gpu4"
SLOWER: Final = 1.08
REGRESSION: Final = 1.12
"""What runs of the first trace take more, from two thirds of all days on."""
DAYS: Final = 30
_NOISE: Final = 0.01
_FIRST_DAY_NS: Final = 1_790_000_000_000_000_000  # 2026-09-21
_DAY_NS: Final = 86_400_000_000_000
_BROKEN: Final = (b"", b"\x1f\x8b\x08\x00", b"<html>404</html>", b'{"traceEvents": [', b"\x00" * 4096)
"""In turn: nothing, half a header, another kind, no event, zeros."""


@dataclass(frozen=True)
class Fleet:
    """What was written, and what is planted in it."""

    traces: list[Path]
    """In order of time."""
    broken: list[Path]
    first_slower: Path
    """The first trace of the regression."""


@dataclass(frozen=True)
class Base:
    """A trace to rewrite: each event as text that lacks `ts` and `dur`, and these in microseconds."""

    name: str
    top: dict[str, Any]
    events: list[str]
    ts: list[float]
    dur: list[float | None]


def read(path: Path) -> Base:
    """A trace as JSON."""
    opened: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opened(path, "rb") as file:
        top = json.load(file)
    events = top.pop("traceEvents")
    first = min(float(event["ts"]) for event in events if event.get("ph") == "X")
    ts = [float(event.pop("ts", first)) - first for event in events]
    dur = [float(event.pop("dur")) if "dur" in event else None for event in events]
    return Base(path.name.partition(".json")[0], top, [json.dumps(event)[:-1] for event in events], ts, dur)


def write(folder: Path, bases: Sequence[Base], number: int, broken: float = 0.05, seed: int = 1) -> Fleet:
    """Write `number` files into `folder`, a part of them broken, others of one base after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    bad = set(rng.sample(range(number), round(number * broken)))
    seen: Counter[str] = Counter()
    traces: list[Path] = []
    broken_files: list[Path] = []
    first = None
    for place in range(number):
        if place in bad:
            path = folder / f"broken{place:05d}.json.gz"
            path.write_bytes(_BROKEN[len(broken_files) % len(_BROKEN)])
            broken_files.append(path)
            continue
        base = bases[len(traces) % len(bases)]
        host = HOSTS[seen[base.name] % len(HOSTS)]
        seen[base.name] += 1
        day = place * DAYS / number
        is_slower = base is bases[0] and day >= DAYS * 2 / 3
        factor = (
            rng.gauss(1, _NOISE) * (SLOWER if host == SLOW_HOST else 1) * (REGRESSION if is_slower else 1)
        )
        path = folder / f"{base.name}.{place:05d}.json.gz"
        path.write_bytes(_rewritten(base, factor, host, _FIRST_DAY_NS + round(day * _DAY_NS), len(traces)))
        traces.append(path)
        first = path if first is None and is_slower else first
    assert first is not None, "too few traces for a regression"
    return Fleet(traces, broken_files, first)


def _rewritten(base: Base, factor: float, host: str, began_ns: int, turn: int) -> bytes:
    """The trace with all times stretched, on another host and day, as another rank."""
    lines = [
        f'{text}, "ts": {ts * factor:.3f}' + ("}" if dur is None else f', "dur": {dur * factor:.3f}}}')
        for text, ts, dur in zip(base.events, base.ts, base.dur, strict=True)
    ]
    run = base.top.get("sdtrace")
    facts = json.loads(run) if isinstance(run, str) else dict(run or {})
    for name in ("unprofiled_wall_s", "warmup_wall_s", "profiled_wall_s"):
        facts |= {name: [seconds * factor for seconds in facts[name]]} if name in facts else {}
    top = {
        **base.top,
        **({"sdtrace": facts} if facts else {}),
        "host": host,
        "commit": f"{began_ns // (10 * _DAY_NS):x}",
        "baseTimeNanoseconds": began_ns,
        "distributedInfo": {"backend": "nccl", "rank": turn % 8, "world_size": 8},
    }
    text = json.dumps(top)[:-1] + ', "traceEvents": [\n' + ",\n".join(lines) + "\n]}\n"
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)


def tiny(folder: Path) -> Fleet:
    """40 small traces and two broken ones."""
    return write(folder, [read(path) for path in TINY], 42)


def rewritten(path: Path, factor: float, day: float = DAYS) -> None:
    """One more of the small traces, `factor` times as long, on the first host."""
    path.write_bytes(_rewritten(read(TINY[0]), factor, HOSTS[0], _FIRST_DAY_NS + round(day * _DAY_NS), 0))
