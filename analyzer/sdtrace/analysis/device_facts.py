"""Evidence about device work: communication, graphs, conversions of layout, slower clocks, memory held."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.attribution.event_selection import COMPILED_REGION
from sdtrace.attribution.host import row_name, wildcard_names
from sdtrace.attribution.ranges import RANGES, range_bounds
from sdtrace.findings import Collectives, Conversions, MemoryPeak, Range, Slower
from sdtrace.findings.layout import TO_NHWC
from sdtrace.intervals import Bools, Int64s, contains, subtract, total, union
from sdtrace.phases.timeline import STEADY
from sdtrace.reader.categories import GRAPH_LAUNCH

_WEIGHTS: Final = re.compile(r"^(\d+x\d+x([1-9])x\2), \1$")
"""A pointwise kernel from a convolution's weight to one of the same shape converts it."""
_FORWARD: Final = re.compile(r"^aten::(?:cudnn_convolution\w*|miopen_convolution\w*)$")
_POINTWISE: Final = "triton_poi_fused"
_COMPUTES: Final = re.compile(r"gemm|convolution|attention")
"""Categories whose kernels the clock of the cores sets the pace of."""
_LEAST_CALLS: Final = 6
"""Fewer calls of a kernel have no early and late part to speak of."""
_EARLY_CALLS, _EARLY = 3, 20
"""The first twentieth of the calls, and three at least: a clock falls within a tenth of a second."""
_ACCELERATOR: Final = (1, 6)
"""CUDA and HIP in torch's `DeviceType`."""


def conversions(study: Study, work: WorkStudy) -> Conversions:
    """Steady conversions between NCHW and NHWC."""
    trace, linked, steady = study.trace, study.linked, study.phases.work_mask(STEADY)
    dur_ns = np.where(steady, trace.dur_ns[linked.work.row], 0)
    converts = trace.names_matching(TO_NHWC)[trace.name[linked.work.row]]
    is_compiled = in_compiled_code(study)
    is_convolution = trace.names_matching(_FORWARD)[linked.host.name]
    is_forward = np.append(is_convolution, False)[linked.work.op]
    weights = weight_conversions(work) & steady
    names = {trace.names[number] for number in np.unique(trace.name[linked.work.row[weights]]).tolist()}
    return Conversions(
        eager_ns=int(dur_ns[converts & ~is_compiled].sum()),
        compiled_ns=int(dur_ns[converts & is_compiled].sum()),
        weights_ns=int(dur_ns[weights].sum()),
        weight_kernels=sorted(names),
        forward_ns=int(dur_ns[converts & is_forward].sum()),
    )


def weight_conversions(work: WorkStudy) -> Bools:
    """Which pieces of device work copy a convolution's weight into another layout, in compiled code."""
    kinds = [
        kind.kind.op.startswith(_POINTWISE) and _WEIGHTS.match(kind.dims) is not None for kind in work.works
    ]
    found: Bools = np.append(np.array(kinds, np.bool_), False)[work.named.kind]
    return found


def in_compiled_code(study: Study) -> Bools:
    """Which pieces of device work calls of compiled code launched, graphs' replays among them."""
    trace, launches = study.trace, study.structure.launches
    rows = np.flatnonzero(trace.named(COMPILED_REGION))
    inside: Bools = np.zeros(len(launches.called_ns), np.bool_)
    for thread in np.unique(trace.thread[rows]).tolist():
        mine = rows[trace.thread[rows] == thread]
        spans = union(trace.start_ns[mine], trace.end_ns[mine])
        inside |= (launches.thread == thread) & contains(spans, launches.called_ns)
    return inside


def slower_clock(study: Study, work: WorkStudy) -> Slower | None:
    """How much slower products and convolutions of the same arguments ran in the last third of steady work.

    Each device is compared with itself. Where arguments were not recorded, one kernel's name serves many
    shapes: then only its launches in the same place of each iteration, with the same grid, are the same.
    None where too few run again.
    """
    trace, linked = study.trace, study.linked
    computes = np.array([bool(_COMPUTES.search(name)) for name in study.categorized.categories], np.bool_)
    steady = study.phases.work_mask(STEADY) & (work.named.kind >= 0)
    picked = np.flatnonzero(steady & np.append(computes, False)[study.categorized.code])
    if not picked.size:
        return None
    row = linked.work.row[picked]
    code = _same_arguments(study, work, picked)
    order = np.lexsort((trace.start_ns[row], code))
    first = np.unique(code[order], return_index=True)[1]
    ratios, weights, examples = [], [], []
    names = trace.name[row[order[first]]].tolist()
    for name, times in zip(names, np.split(trace.dur_ns[row[order]], first[1:]), strict=True):
        if len(times) < _LEAST_CALLS:
            continue
        late, early = times[-(len(times) // 3) :], times[: max(_EARLY_CALLS, len(times) // _EARLY)]
        ratios.append(float(np.median(late) / np.median(early)))
        weights.append(int(times.sum()))
        examples.append(trace.names[name])
    if not ratios:
        return None
    by_ratio = np.argsort(ratios)
    middle = np.searchsorted(np.cumsum(np.array(weights)[by_ratio]), sum(weights) / 2)
    return Slower(ratios[int(by_ratio[middle])], sum(weights), examples[int(np.argmax(weights))])


def _same_arguments(study: Study, work: WorkStudy, picked: Int64s) -> Int64s:
    """A number for each picked piece of work, equal for the same kernel, device and arguments."""
    trace, linked = study.trace, study.linked
    row, kind = linked.work.row[picked], work.named.kind[picked]
    has_shape = np.array([bool(one.dims) for one in work.works], np.bool_)[kind]
    code = trace.name[row].astype(np.int64) * len(linked.work.devices) + linked.work.device[picked]
    code = _renumbered(code * (len(work.works) + 1) + kind)
    if has_shape.all():
        return code
    grid = np.where(has_shape, -1, trace.args[row]).astype(np.int64)
    place = np.where(has_shape, -1, study.structure.iterations.at(study.structure.launches.called_ns[picked]))
    code = _renumbered(code * (len(trace.args_texts) + 1) + grid + 1)
    order = np.lexsort((trace.start_ns[row], place, code))
    opens = np.append(True, (np.diff(code[order]) != 0) | (np.diff(place[order]) != 0))
    first = np.flatnonzero(opens)
    nth = np.zeros(len(code), np.int64)
    nth[order] = np.arange(len(code)) - np.repeat(first, np.diff(np.append(first, len(code))))
    return code * len(code) + np.where(has_shape, 0, nth)


def _renumbered(code: Int64s) -> Int64s:
    """The same distinctions with the smallest numbers."""
    numbers: Int64s = np.unique(code, return_inverse=True)[1].astype(np.int64)
    return numbers


def memory_peak(study: Study) -> MemoryPeak | None:
    """The most memory the allocator held of the first device; None where the trace does not tell."""
    held, device = study.trace.memory, study.trace.device
    total_bytes, number = device.get("totalGlobalMem"), device.get("id", 0)
    if not isinstance(number, int):
        return None
    mine = np.isin(held.device_type, _ACCELERATOR) & (held.device_id == number)
    reserved = int(held.total_reserved[mine].max(initial=-1))
    if reserved < 0 or not isinstance(total_bytes, int) or total_bytes <= 0:
        return None
    return MemoryPeak(reserved, total_bytes, number)


def collectives(study: Study) -> Collectives | None:
    """Steady communication, and what of it nothing hides."""
    trace, row = study.trace, study.linked.work.row
    steady = study.phases.work_mask(STEADY)
    talks = np.array([name == "collective" for name in study.categorized.categories], np.bool_)
    is_talk = talks[study.categorized.code] & steady
    if not is_talk.any():
        return None
    mine, others = row[is_talk], row[steady & ~is_talk]
    covered = union(trace.start_ns[mine], trace.end_ns[mine])
    exposed = subtract(covered, union(trace.start_ns[others], trace.end_ns[others]))
    return Collectives(int(trace.dur_ns[mine].sum()), total(covered), total(exposed))


def graph_replayed_ns(study: Study) -> int:
    """Steady device work that replays of CUDA graphs launched."""
    trace, work = study.trace, study.linked.work
    replays = trace.names_matching(GRAPH_LAUNCH)
    mine = study.phases.work_mask(STEADY) & (work.launch >= 0)
    mine[mine] = replays[trace.name[work.launch[mine]]]
    return int(trace.dur_ns[work.row[mine]].sum())


def major(device: Mapping[str, object]) -> int | None:
    """Compute capability before the point, of an NVIDIA device."""
    name, major = str(device.get("name", "")), device.get("computeMajor")
    return major if isinstance(major, int) and name.startswith(("NVIDIA", "Tesla", "GeForce")) else None


def ranges(study: Study) -> list[Range]:
    """Device rows of annotations, summed by name as torch's table has them."""
    trace = study.trace
    rows = trace.rows(RANGES)
    _, dur_ns = range_bounds(trace, rows)
    names, which = np.unique(wildcard_names(trace)[rows], return_inverse=True)
    sums = np.bincount(which, weights=dur_ns, minlength=len(names))
    return [
        Range(row_name(trace.names, name), int(ns))
        for name, ns in zip(names.tolist(), sums.tolist(), strict=True)
    ]
