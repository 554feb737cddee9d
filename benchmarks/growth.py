"""How the time of an analysis grows with what a trace holds more of.

    python -m benchmarks.growth [--first 300] [--kinds steps,captures,...] [--limit 120]

For each kind a trace is written with N, 10 N and 100 N of it, and read, studied and reported on in this
process. The table has processor seconds, and the ratio to the step before: about 10 is linear, 100 square.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from sdtrace.analysis import Options, build_report
from sdtrace.analysis.trace_report import analyze
from sdtrace.report.write import FORMATS

Event = dict[str, Any]
_STEP: Final = 10.0
"""Microseconds from one to the next."""


def _event(category: str, name: str, at: float, dur: float, tid: int = 1, **args: int) -> Event:
    pid = 0 if category.startswith("gpu_") or category == "kernel" else 1
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": pid,
        "tid": tid,
        "ts": at,
        "dur": dur,
        "args": args,
    }


def _launch(number: int, at: float, name: str = "aten::add", tid: int = 1) -> list[Event]:
    """An op, its launch and its kernel."""
    ids = {"External id": number + 1, "correlation": number + 1}
    return [
        _event("cpu_op", name, at, 9, tid, **{"External id": number + 1}),
        _event("cuda_runtime", "cudaLaunchKernel", at + 2, 4, tid, **ids),
        _event("kernel", "some_kernel", at + 5, 3, 7, **ids),
    ]


def _steps(i: int, at: float) -> list[Event]:
    return [_event("user_annotation", f"ProfilerStep#{i}", at, 9.5), *_launch(i, at)]


def _annotations(i: int, at: float) -> list[Event]:
    return [_event("user_annotation", f"stage_{i}", at, 9.5), *_launch(i, at)]


def _threads(i: int, at: float) -> list[Event]:
    return _launch(i, at, tid=i + 1)


def _names(i: int, at: float) -> list[Event]:
    return _launch(i, at, name=f"op_{i}")


def _equal_instants(i: int, at: float) -> list[Event]:  # noqa: ARG001  # all at one instant
    return _launch(i, _STEP)


def _captures(i: int, at: float) -> list[Event]:
    thread = 1 + i % 50
    ends = (("cudaStreamBeginCapture", 0.0), ("cudaStreamEndCapture", 8.0))
    calls = [_event("cuda_runtime", name, at + after, 1, thread) for name, after in ends]
    return [*calls, *_launch(i, at, tid=thread)]


def _compile_spans(i: int, at: float) -> list[Event]:
    name = f"compile_fx_{i} (dynamo_timed)"
    return [_event("cpu_op", name, at, 9.2, 1 + i % 9), *_launch(i, at)]


def _stages(i: int, at: float) -> list[Event]:
    return [_event("cpu_op", f"pass_{i} (dynamo_timed)", at, 9.2), *_launch(i, at)]


def _compiling_steps(i: int, at: float) -> list[Event]:
    return [*_steps(i, at), _event("cpu_op", "entire_frame_compile", at + 9.1, 0.2)]


def _memory_calls(i: int, at: float) -> list[Event]:
    return [*_launch(i, at), _event("cuda_runtime", "cudaMalloc", at + 9, 0.8)]


def _copies(i: int, at: float) -> list[Event]:
    ids = {"External id": i + 1, "correlation": i + 1}
    return [
        _event("cpu_op", "aten::to", at, 9, **{"External id": i + 1}),
        _event("cuda_runtime", "cudaMemcpyAsync", at + 2, 6, **ids),
        _event("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)", at + 3, 4, 7, bytes=4096, **ids),
    ]


def _devices(i: int, at: float) -> list[Event]:
    events = _launch(i, at)
    events[-1]["pid"] = i % 8
    return events


KINDS: Final[dict[str, Callable[[int, float], list[Event]]]] = {
    "steps": _steps,
    "annotations": _annotations,
    "threads": _threads,
    "names": _names,
    "equal instants": _equal_instants,
    "captures": _captures,
    "compile spans": _compile_spans,
    "compile stages": _stages,
    "steps that compile": _compiling_steps,
    "memory calls": _memory_calls,
    "copies": _copies,
    "launches on 8 devices": _devices,
}


def _write(path: Path, kind: Callable[[int, float], list[Event]], size: int) -> None:
    events = (event for number in range(size) for event in kind(number, _STEP * number))
    with path.open("w", encoding="utf-8") as file:
        file.write('{"schemaVersion": 1, "traceEvents": [\n')
        file.writelines(_lines(events))
        file.write("\n]}\n")


def _lines(events: Iterator[Event]) -> Iterator[str]:
    for number, event in enumerate(events):
        yield (",\n" if number else "") + json.dumps(event)


def _seconds(path: Path) -> float:
    """Processor time to analyze a file and render it as HTML and JSON."""
    began = time.process_time()
    report = build_report([analyze(path, Options.of(phase=None, op_times="true", rules=None))], None)
    for name in ("html", "json"):
        FORMATS[name](report, 25, ())
    return time.process_time() - began


def _row(name: str, first: int, limit_s: float) -> str:
    cells, before = [name], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for size in (first, 10 * first, 100 * first):
            path = Path(folder) / "growth.json"
            _write(path, KINDS[name], size)
            took = _seconds(path)
            cells += [f"{took:.2f} s", f"{took / before:.1f}" if before else ""]
            before = took
            if 10 * took > limit_s:
                break
    cells += ["-"] * (7 - len(cells))
    return f"| {' | '.join(cell for place, cell in enumerate(cells) if place != 2)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=300, help="how many of each kind in the smallest trace")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which kinds, with commas between them")
    parser.add_argument(
        "--limit", type=float, default=300, help="skip a step that would take longer if linear"
    )
    given = parser.parse_args()
    sizes = [f"{given.first * factor:,}" for factor in (1, 10, 100)]
    print(f"| kind | {sizes[0]} | {sizes[1]} | ratio | {sizes[2]} | ratio |\n|---|---:|---:|---:|---:|---:|")
    _seconds_of_nothing()
    for name in given.kinds.split(","):
        print(_row(name, given.first, given.limit), flush=True)


def _seconds_of_nothing() -> None:
    """Imports, and whatever is paid once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first.json"
        _write(path, _steps, 10)
        _seconds(path)


if __name__ == "__main__":
    main()
