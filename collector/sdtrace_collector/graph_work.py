"""What the kernels inside CUDA graphs are: a replay shows their names alone.

So one more image is made and profiled, with every graph's function run kernel by kernel, as Inductor runs it
before it records a graph. There each kernel has the op that launched it, its shapes and its component, in the
order in which a replay has them. A profile is void once another one began, so this comes before the one asked
for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from torch.profiler import ProfilerActivity, profile

from sdtrace_collector.annotate import annotated
from sdtrace_collector.protocol import GraphWork
from sdtrace_collector.timed import Timed

_STEPS: Final = 2
_FORCE_WARMUP: Final = "triton.force_cudagraphs_warmup"


def record_graph_work(pipe: Any, timed: Timed, scratch: Path) -> GraphWork:
    """Make an image without replays and say what each kernel of it was; then one with them, to be warm again.

    Device memory may grow meanwhile.
    """
    import torch._inductor.config as inductor  # noqa: PLC0415 - takes a second to load, which others save

    path = scratch / "graph_work.json"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with inductor.patch({_FORCE_WARMUP: True}), annotated(pipe):
        timed.image(0, num_inference_steps=_STEPS)
        with profile(activities=activities, record_shapes=True) as profiler:
            timed.image(0, num_inference_steps=_STEPS)
    profiler.export_chrome_trace(str(path))
    timed.image(0)
    return graph_work_of(path)


def graph_work_of(path: Path) -> GraphWork:
    """The device work of a trace in order, each piece with its op, the arguments and the component."""
    from sdtrace.analysis.study import study_trace  # noqa: PLC0415 - polars, which most runs do without
    from sdtrace.breakdowns.rules import load_rules  # noqa: PLC0415 - as above
    from sdtrace.trace import load_trace  # noqa: PLC0415 - as above

    study = study_trace(load_trace(path), load_rules(None))
    trace, linked, launches = study.trace, study.linked, study.structure.launches
    work, components = linked.work, study.structure.components
    known = np.flatnonzero(work.op >= 0)
    order = known[np.argsort(trace.start_ns[work.row[known]], kind="stable")]
    event = linked.host.row[work.op[order]]
    part = components.at(launches.called_ns[order], launches.thread[order])
    texts = [*trace.args_texts, ""]
    kernels, kernel = _numbered([trace.names[name] for name in trace.name[work.row[order]].tolist()])
    pairs = zip(trace.name[event].tolist(), trace.args[event].tolist(), part.tolist(), strict=True)
    names = [*components.names, ""]
    ops, op = _numbered([(trace.names[name], texts[args], names[where]) for name, args, where in pairs])
    _, call = _numbered(work.op[order].tolist())
    return GraphWork(kernels=kernels, ops=ops, work=list(zip(kernel, op, call, strict=True)))


def _numbered(values: list[Any]) -> tuple[list[Any], list[int]]:
    """Distinct values in order of appearance, and each value's number."""
    table: dict[Any, int] = {}
    numbers = [table.setdefault(value, len(table)) for value in values]
    return list(table), numbers
