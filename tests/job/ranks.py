"""Two ranks of one job, written as Kineto writes them: three steps, each ended by an all_reduce.

Rank 1 sleeps for 20 ms in the second step; rank 0 has 2 ms more of matrix work in the third. The clock of
rank 1 is 5 ms ahead. `python -m tests.job.ranks` writes the files in tests/field again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIELD = Path(__file__).parents[1] / "field"
SLEEP_US, MORE_WORK_US, AHEAD_US, TRANSFER_US = 20_000, 2_000, 5_000, 100
ELEMENTS = 1 << 20
STEPS = 3
Event = dict[str, Any]


def both() -> list[dict[str, Any]]:
    """The traces of rank 0 and rank 1."""
    events: list[list[Event]] = [[], []]
    host, device = [1000.0, 1000.0], [1000.0, 1000.0]
    for step in range(STEPS):
        called = []
        for rank in (0, 1):
            longer = MORE_WORK_US if (rank, step) == (0, 2) else 0
            host[rank], device[rank] = _multiply(events[rank], rank, step, host[rank], device[rank], longer)
            host[rank] += SLEEP_US if (rank, step) == (1, 1) else 0
            called.append(host[rank])
        arrived = [max(device[rank], called[rank] + 60) for rank in (0, 1)]
        end = max(arrived) + TRANSFER_US
        for rank in (0, 1):
            host[rank] = _all_reduce(events[rank], rank, step, called[rank], (arrived[rank], end))
            device[rank] = end
    return [_trace(rank, events[rank]) for rank in (0, 1)]


def _multiply(
    events: list[Event], rank: int, step: int, host: float, device: float, longer: float
) -> tuple[float, float]:
    """Ten products of 100 us, and then one that takes longer; when the host and the device are done."""
    for place in range(10):
        number = 100 * step + 5 * place + 10
        start = max(device, host + 25)
        took = 100 + (longer if place == 9 else 0)
        events += [
            _host(rank, "cpu_op", "aten::mm", host, 30, number),
            _host(rank, "cuda_runtime", "cudaLaunchKernel", host + 5, 15, number, correlation=number),
            _device(rank, "sm80_xmma_gemm_f32f32", start, took, number),
        ]
        host, device = host + 35, start + took
    return host, device


def _all_reduce(events: list[Event], rank: int, step: int, host: float, work: tuple[float, float]) -> float:
    number = 100 * step + 90
    told = {
        "Collective name": "allreduce",
        "In msg nelems": ELEMENTS,
        "Out msg nelems": ELEMENTS,
        "Group size": 2,
        "dtype": "Float",
        "Process Group Name": "0",
        "Process Group Description": "default_pg",
        "Process Group Ranks": "[0, 1]",
        "Rank": rank,
    }
    start, end = work
    events += [
        _host(rank, "cpu_op", "c10d::allreduce_", host, 100, number),
        _host(rank, "cpu_op", "record_param_comms", host + 10, 80, number + 1, **told),
        _host(rank, "user_annotation", "nccl:all_reduce", host + 20, 60, number + 2),
        _host(rank, "cuda_runtime", "cudaLaunchKernel", host + 30, 20, number + 1, correlation=number),
        _device(rank, "ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclArgs)", start, end - start, number)
        | {"args": {"correlation": number, "External id": number + 1, "device": rank, "stream": 7, **told}},
        _host(rank, "cuda_runtime", "cudaStreamSynchronize", host + 105, end - host - 100, 0, correlation=0),
    ]
    return end + 10


def _host(rank: int, category: str, name: str, start: float, dur: float, number: int, **args: Any) -> Event:
    told = {**({"External id": number} if number else {}), **args}
    return _event(category, name, 100 + rank, 100 + rank, start + rank * AHEAD_US, dur, told)


def _device(rank: int, name: str, start: float, dur: float, number: int) -> Event:
    told = {"correlation": number, "External id": number, "device": rank, "stream": 7}
    return _event("kernel", name, rank, 7, start + rank * AHEAD_US, dur, told)


def _event(category: str, name: str, pid: int, tid: int, start: float, dur: float, args: Event) -> Event:
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": pid,
        "tid": tid,
        "ts": start,
        "dur": dur,
        "args": args,
    }


def _trace(rank: int, events: list[Event]) -> dict[str, Any]:
    card = {
        "name": "NVIDIA H100 80GB HBM3",
        "totalGlobalMem": 85_017_493_504,
        "computeMajor": 9,
        "numSms": 132,
    }
    groups = [{"pg_name": "0", "pg_desc": "default_pg", "pg_size": 2, "ranks": [0, 1]}]
    return {
        "schemaVersion": 1,
        "deviceProperties": [{"id": 0, **card}, {"id": 1, **card}],
        "distributedInfo": {"backend": "nccl", "rank": rank, "world_size": 2, "pg_config": groups},
        "baseTimeNanoseconds": 1_790_000_000_000_000_000,
        "traceEvents": events,
    }


def write(folder: Path, traces: list[dict[str, Any]]) -> list[Path]:
    """The traces as files, one event a line."""
    paths = [folder / f"two_ranks.rank{rank}.json" for rank in range(len(traces))]
    for path, trace in zip(paths, traces, strict=True):
        events = ",\n".join(json.dumps(event) for event in trace["traceEvents"])
        top = {key: value for key, value in trace.items() if key != "traceEvents"}
        path.write_text(f'{json.dumps(top)[:-1]}, "traceEvents": [\n{events}\n]}}\n', encoding="utf-8")
    return paths


if __name__ == "__main__":
    write(FIELD, both())
