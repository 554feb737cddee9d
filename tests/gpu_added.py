"""A GPU for traces of a CPU: every op without ops inside launches a kernel."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

_KERNEL_US = 3.0
_KERNELS = (
    ("group_norm", "RowwiseMomentsCUDAKernel"),
    ("mm", "sm90_xmma_gemm_bf16"),
    ("convolution", "sm90_xmma_fprop_implicit_gemm"),
    ("scaled_dot", "flash_fwd_kernel"),
)
_DEVICE = {"id": 0, "name": "NVIDIA H100 80GB HBM3", "computeMajor": 9, "numSms": 132}


def add_gpu(path: Path) -> None:
    """Adds launches, kernels and a device to a compressed trace."""
    trace = json.loads(gzip.decompress(path.read_bytes()))
    trace["traceEvents"] += _work_of(trace["traceEvents"])
    trace["deviceProperties"] = [_DEVICE]
    path.write_bytes(gzip.compress(json.dumps(trace).encode(), 1))


def _work_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ops = [event for event in events if event.get("cat") == "cpu_op" and event["dur"] > 1]
    ops.sort(key=lambda op: (op["tid"], op["ts"], -op["dur"]))
    work: list[dict[str, Any]] = []
    free = 0.0
    for number, (op, after) in enumerate(zip(ops, [*ops[1:], None], strict=True)):
        if after and after["tid"] == op["tid"] and after["ts"] < op["ts"] + op["dur"]:
            continue
        args = {"External id": op["args"].get("External id", 0), "correlation": number + 1}
        launch: dict[str, Any] = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "args": args}
        launch |= {"pid": op["pid"], "tid": op["tid"], "ts": op["ts"] + op["dur"] / 2, "dur": op["dur"] / 4}
        begin = max(launch["ts"] + launch["dur"] + 2, free)
        free = begin + _KERNEL_US
        name = next((kernel for part, kernel in _KERNELS if part in op["name"]), "elementwise_kernel")
        kernel: dict[str, Any] = {
            "ph": "X",
            "cat": "kernel",
            "name": name,
            "pid": 0,
            "tid": 7,
            "ts": begin,
            "dur": _KERNEL_US,
        }
        kernel["args"] = {**args, "device": 0, "stream": 7, "grid": [264, 1, 1], "block": [128, 1, 1]}
        work += [launch, kernel]
    return work
