"""What a file says, counted from its JSON alone, in integer nanoseconds."""

from __future__ import annotations

import gzip
import json
import lzma
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.shared import shared_trace

TRACES: Final = Path(__file__).parents[2] / "traces"
SHIPPED: Final = (
    "h200-bf16_sdpa_cudagraphs.json",
    "h200-bf16_sdpa_eager.cudnn_benchmark.json.xz",
    "h200-bf16_sdpa_eager.stack.json.gz",
    "h200-bf16_sdpa_regional.cold.json.gz",
    "h200-fp32_eager.json",
)
THIRD_PARTY: Final = (
    "hta_cpu_only",
    "hta_cudagraph_training_a100",
    "hta_mi250_rocm62_training",
    "hta_ns_resolution_v100",
    "tracelens_torch_compile_triton_mi300x",
    "tracelens_vllm_decode_graph_rocm",
    "tracelens_xdit_sd35_mi300x",
)
MOST: Final = THIRD_PARTY[:-1]
"""All but the largest, which is of a kind with the two before it: its figures alone are held to the file."""
GRAPHS: Final = SHIPPED[0]
EAGER: Final = SHIPPED[-1]
_OPEN: Final = {".gz": gzip.open, ".xz": lzma.open}
_WORK: Final = {"kernel", "gpu_memcpy", "gpu_memset"}


def path_of(name: str) -> Path:
    """The file of a shipped or a third-party trace; skips the test where the latter is not here."""
    return TRACES / name if name in SHIPPED else shared_trace(f"third_party/{name}.json.gz")


class Work(NamedTuple):
    """A kernel, copy or fill."""

    start_ns: int
    end_ns: int
    name: str


class Busy(NamedTuple):
    span_ns: int
    busy_ns: int


@cache
def work_of(path: Path) -> list[Work]:
    """All device work of a file, in the order of its start."""
    open_it: Any = _OPEN.get(path.suffix, open)
    with open_it(path) as file:
        events = json.loads(file.read(), parse_float=str)["traceEvents"]
    found = [
        Work(_ns(event["ts"]), _ns(event["ts"]) + _ns(event["dur"]), event["name"])
        for event in events
        if event.get("cat") in _WORK and event["ph"] == "X"
    ]
    return sorted(found)


def busy(work: list[Work]) -> Busy:
    """From the first start to the last end, and the time in it in which anything runs."""
    total, end = 0, work[0].start_ns
    for item in work:
        total += max(0, item.end_ns - max(item.start_ns, end))
        end = max(end, item.end_ns)
    return Busy(end - work[0].start_ns, total)


def _ns(microseconds: str | int) -> int:
    """Nanoseconds of a number as the file has it: all its digits."""
    return round(Decimal(microseconds) * 1000)
