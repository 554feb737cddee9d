"""Events, launches and memory as polars frames: one row each, with all that was found out about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.part import Selection
from sdtrace.analysis.study import Study
from sdtrace.attribution.nesting import first_outside
from sdtrace.intervals import Bools, Int64s, place_of
from sdtrace.phases.timeline import PHASES
from sdtrace.reader.categories import DEVICE
from sdtrace.trace import Trace

if TYPE_CHECKING:
    import polars as pl

_DEVICE_NAMES: Final = {"hip": "CUDA", "cuda": "CUDA", "xpu": "XPU", "mtia": "MTIA"}
_CPU: Final = 0
_DEVICE_TYPES: Final = {_CPU: "cpu", 1: "cuda", 2: "mkldnn", 5: "ideep", 6: "hip", 12: "xpu"}
"""By `torch.DeviceType`."""
_Index = NDArray[np.integer[Any]]


def events(selection: Selection) -> pl.DataFrame:
    """Every complete event of a part of a trace, in the order of the file.

    name, category (as in the file) and thread (`pid/tid`; for device events device and stream) are String, as
    are stream (of device events), phase, component, work_category (of kernels, copies and fills), op (that
    launched the work, or that encloses a host event) and shapes (input dims as JSON, of ops whose FLOPs are
    known); start_ns (since the first event), dur_ns, external_id, correlation (0 where there is none), nbytes
    (-1 where there is none), iteration and step are Int64. Null is what does not apply.
    """
    import polars as pl  # noqa: PLC0415  # 0.1 s to import

    study = selection.study
    trace, host, work = study.trace, study.linked.host, study.linked.work
    called, thread = trace.start_ns.copy(), trace.thread.astype(np.int64)
    called[work.row], thread[work.row] = study.structure.launches.called_ns, study.structure.launches.thread
    thread[host.row] = host.thread
    op = np.full(len(trace), -1, np.int64)
    op[host.row] = _named(host.name, first_outside(host.tree_parent, ~host.is_op, host.tree_parent))
    op[work.row] = _named(host.name, work.op)
    kind = np.full(len(trace), -1, np.int64)
    kind[work.row] = study.categorized.code
    phase = study.phases.timeline.at(trace.start_ns)
    phase[work.row] = study.phases.work_code
    is_device = trace.in_categories(DEVICE)
    frame = pl.DataFrame(
        {
            "name": _texts(trace.names, trace.name),
            "category": _texts(trace.categories, trace.category),
            "thread": _texts(_places(trace), trace.thread),
            "stream": _texts(
                [str(thread.tid) for thread in trace.threads], np.where(is_device, trace.thread, -1)
            ),
            "start_ns": trace.start_ns,
            "dur_ns": trace.dur_ns,
            "external_id": trace.external_id,
            "correlation": trace.correlation,
            "nbytes": trace.nbytes,
            "phase": _texts(PHASES, phase),
            **_structure(study, called, thread),
            "work_category": _texts(study.categorized.categories, kind),
            "op": _texts(trace.names, op),
            "shapes": _texts(*_shapes(trace)),
        }
    )
    return frame if selection.part.is_whole else frame.filter(pl.Series(chosen(selection)))


def launches(selection: Selection) -> pl.DataFrame:
    """Every kernel, copy and fill of a part of a trace beside the call that launched it.

    name, kind (`kernel`, `gpu_memcpy`, `gpu_memset`), category (gemm, attention, ...), device, stream, launch
    (the runtime call), op, phase and component are String; start_ns, dur_ns, launch_start_ns, launch_dur_ns,
    correlation, nbytes (-1 where there is none), iteration and step Int64. Null is what nobody knows.
    """
    import polars as pl  # noqa: PLC0415  # as above

    study = selection.study
    trace, host, work, times = study.trace, study.linked.host, study.linked.work, study.structure.launches
    row = work.row
    places = [trace.threads[number] for number in range(len(trace.threads))]
    frame = pl.DataFrame(
        {
            "name": _texts(trace.names, trace.name[row]),
            "kind": _texts(trace.categories, trace.category[row]),
            "category": _texts(study.categorized.categories, study.categorized.code),
            "device": _texts([str(place.pid) for place in places], trace.thread[row]),
            "stream": _texts([str(place.tid) for place in places], trace.thread[row]),
            "start_ns": trace.start_ns[row],
            "dur_ns": trace.dur_ns[row],
            "launch": _texts(trace.names, _named(trace.name, work.launch)),
            "launch_start_ns": _known(np.append(trace.start_ns, 0)[work.launch], work.launch >= 0),
            "launch_dur_ns": _known(np.append(trace.dur_ns, 0)[work.launch], work.launch >= 0),
            "op": _texts(trace.names, _named(host.name, work.op)),
            "correlation": trace.correlation[row],
            "nbytes": trace.nbytes[row],
            "phase": _texts(PHASES, study.phases.work_code),
            **_structure(study, times.called_ns, times.thread),
        }
    )
    return frame if selection.work is None else frame.filter(pl.Series(selection.work))


def memory(trace: Trace) -> pl.DataFrame:
    """What the allocators held after each allocation and free; see `event_columns.MEMORY`."""
    import polars as pl  # noqa: PLC0415  # as above

    held = trace.memory
    pairs = np.stack((held.device_type, held.device_id))
    kinds, which = np.unique(pairs, axis=1, return_inverse=True)
    names = [_device(kind, number) for kind, number in kinds.T.tolist()]
    return pl.DataFrame(
        {
            "time_us": held.time_ns / 1000,
            "device": _texts(names, which.reshape(-1)),
            "allocated_bytes": held.total_allocated,
            "reserved_bytes": _known(held.total_reserved, held.total_reserved >= 0),
        }
    )


def device_name(trace: Trace) -> str:
    """What torch calls the device in its table: NVIDIA's and AMD's CUDA, others by their backend."""
    for category in trace.counts:
        prefix = category.partition("_")[0]
        if prefix in _DEVICE_NAMES:
            return _DEVICE_NAMES[prefix]
    return "CUDA"


def _device(kind: int, number: int) -> str:
    name = _DEVICE_TYPES.get(kind, f"device {kind}")
    return name if kind == _CPU or number < 0 else f"{name}:{number}"


def chosen(selection: Selection) -> Bools:
    """Which events are of the part: device work by its launch, everything else by its start and thread."""
    study = selection.study
    trace, work = study.trace, study.linked.work
    thread = trace.thread.copy()
    thread[study.linked.host.row] = study.linked.host.thread
    chosen = selection.host(trace.start_ns, thread)
    mask = np.ones(len(trace), np.bool_) if chosen is None else chosen
    mask[work.row] = True if selection.work is None else selection.work
    return mask


def _structure(study: Study, instant: Int64s, thread: Int64s) -> dict[str, pl.Series]:
    """Iteration, step and component of instants on threads."""
    structure = study.structure
    iterations, steps, components = structure.iterations, structure.steps, structure.components
    iteration = iterations.at(instant)
    _, index = steps.within(iterations)
    step = np.append(index, -1)[place_of(steps.start_ns, steps.end_ns, instant)]
    return {
        "iteration": _known(iteration, iteration >= 0),
        "step": _known(step, step >= 0),
        "component": _texts(components.names, components.at(instant, thread)),
    }


def _named(names: _Index, index: Int64s) -> Int64s:
    """The name (a number) at each index, -1 for -1."""
    found: Int64s = np.append(names, -1)[index].astype(np.int64)
    return found


def _shapes(trace: Trace) -> tuple[list[str | None], _Index]:
    """Input dims by argument text, and which text each event has."""
    return [_dims(text) for text in trace.args_texts], trace.args


def _dims(text: str) -> str | None:
    try:
        args = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    dims = args.get("Input Dims") if isinstance(args, dict) else None
    return None if dims is None else msgspec.json.encode(dims).decode()


def _places(trace: Trace) -> list[str]:
    return [f"{thread.pid}/{thread.tid}" for thread in trace.threads]


def _texts(values: Sequence[str | None], index: _Index) -> pl.Series:
    """The text of each index, null for -1."""
    import polars as pl  # noqa: PLC0415  # as above

    texts = pl.Series([*values, None], dtype=pl.String)
    return texts.gather(np.where(index < 0, len(values), index).astype(np.uint32))


def _known(values: Int64s, is_known: Bools) -> pl.Series:
    """Values, null where they are not known."""
    import polars as pl  # noqa: PLC0415  # as above

    return pl.select(pl.when(pl.Series(is_known)).then(pl.Series(values.astype(np.int64)))).to_series()
