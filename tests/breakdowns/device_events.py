"""Device events of a reference trace, by kind: a small reader, apart from the one under test elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import msgspec
from isal import igzip

from sdtrace.breakdowns.rules import KernelKey
from tests.shared import shared_trace

SD_TRACES = [
    "reference/fp32_eager.json.gz",
    "reference/bf16_sdpa.warm.json.gz",
    "reference/bf16_sdpa_graphs.warm.json.gz",
    "reference/bf16_sdpa_eager.stack.json.gz",
]
"""Without the cold trace: 543 MB of JSON."""
OTHER_TRACES = [
    "third_party/hta_cudagraph_training_a100.json.gz",
    "third_party/hta_mi250_rocm62_training.json.gz",
    "third_party/hta_ns_resolution_v100.json.gz",
    "third_party/tracelens_torch_compile_triton_mi300x.json.gz",
    "third_party/tracelens_vllm_decode_graph_rocm.json.gz",
    "third_party/tracelens_xdit_sd35_mi300x.json.gz",
]
WILD_TRACES = ["wild/flux_recompile.json.gz", "wild/lora_train.json.gz", "wild/pairs_sd.json.gz"]
DEVICE_CATEGORIES = ("kernel", "gpu_memcpy", "gpu_memset")


class _Args(msgspec.Struct):
    external_id: int | str = msgspec.field(name="External id", default=0)
    correlation: int | str = 0


class _Event(msgspec.Struct):
    ph: str
    name: str = ""
    cat: str = ""
    dur: float = 0.0
    args: _Args = msgspec.field(default_factory=_Args)


class _Trace(msgspec.Struct):
    traceEvents: list[_Event]  # noqa: N815  (the file's own spelling)


@cache
def device_time(trace: str) -> dict[KernelKey, float]:
    """Microseconds per distinct (kind, kernel, launching op); context is left unknown."""
    text = igzip.decompress(shared_trace(trace).read_bytes()).decode(errors="replace")
    events = msgspec.json.decode(text, type=_Trace).traceEvents
    ops = {_id(event): event.name for event in events if event.cat == "cpu_op"}
    launches = {int(event.args.correlation): _id(event) for event in _launches(events)}
    total: dict[KernelKey, float] = defaultdict(float)
    for event in events:
        if event.ph == "X" and event.cat in DEVICE_CATEGORIES:
            op = ops.get(_id(event)) or ops.get(launches.get(int(event.args.correlation), 0), "")
            total[KernelKey(event.cat, event.name, op, "")] += event.dur
    return total


def kernel_names(trace: str) -> list[str]:
    """Distinct names of device events, in order of appearance."""
    return list(dict.fromkeys(key.kernel_name for key in device_time(trace)))


def _launches(events: list[_Event]) -> Iterator[_Event]:
    return (event for event in events if event.cat in ("cuda_runtime", "cuda_driver"))


def _id(event: _Event) -> int:
    return int(event.args.external_id)
