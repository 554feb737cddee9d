"""Which op each kernel of a CUDA graph is of: an image of SD 1.5 with graphs, from an H100, and its facts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.roofline.named_work import NamedWork, name_work
from sdtrace.trace.model import Bools
from tests import written
from tests.loaded import analysis_of, linked_of
from tests.test_shipped_traces import trace_path

GRAPHS = Path(__file__).parent / "data" / "h100-graphs.json.gz"


def named(linked: LinkedTrace, facts: Any = None) -> NamedWork:
    """Its work named, by other facts if they are given."""
    if facts is not None:
        top_level = {**linked.trace.top_level, "sdtrace": {**linked.trace.run, "graph_work": facts}}
        linked = replace(linked, trace=replace(linked.trace, top_level=top_level))
    return name_work(linked, np.zeros(len(linked.work.row), np.bool_))


@pytest.fixture(scope="module")
def linked() -> LinkedTrace:
    return linked_of(GRAPHS, with_python=False)


@pytest.fixture(scope="module")
def facts(linked: LinkedTrace) -> dict[str, Any]:
    found: dict[str, Any] = linked.trace.run["graph_work"]
    return found


@pytest.fixture(scope="module")
def whole(linked: LinkedTrace) -> NamedWork:
    return named(linked)


def in_graphs(linked: LinkedTrace) -> Bools:
    return np.append(linked.trace.named(GRAPH_LAUNCH), False)[linked.work.launch]


def names_of(linked: LinkedTrace) -> Int64s:
    return linked.trace.name[linked.work.row].astype(np.int64)


def test_nearly_all_device_time_has_an_op_and_the_rest_is_counted(
    linked: LinkedTrace, whole: NamedWork
) -> None:
    """99.96 % of the time in graphs; without are fills, which have another name inside a graph."""
    inside, time = in_graphs(linked), linked.trace.dur_ns[linked.work.row]
    known = whole.kind >= 0
    assert time[known].sum() / time.sum() > 0.999
    assert time[inside & known].sum() / time[inside].sum() > 0.999
    assert whole.in_graphs == np.count_nonzero(inside) == 3745
    assert whole.unnamed == np.count_nonzero(inside & ~known) == 15
    rest = {linked.trace.names[name] for name in names_of(linked)[inside & ~known].tolist()}
    assert rest == {"memset32"}


def test_nearly_all_device_time_has_an_op_shapes_and_a_component(
    linked: LinkedTrace, whole: NamedWork, facts: dict[str, Any]
) -> None:
    """As the trace's own report has them, and as the capture's table says for each kernel of a replay."""
    time = linked.trace.dur_ns[linked.work.row]
    has_shapes = [bool(msgspec.json.decode(kind.args or "{}").get("Input Dims")) for kind in whole.kinds]
    is_shaped = np.append(has_shapes, False)[whole.kind]
    report = analysis_of(GRAPHS)
    assert time[is_shaped].sum() / time.sum() > 0.95
    rows = report.ops_by_shape
    shaped = rows.filter(rows["input_dims"] != "")
    assert shaped["device_us"].sum() * 1000 / time.sum() > 0.95
    parts = {part: report.at(component=part).ops_by_shape for part in ("text_encoder", "unet", "vae")}
    in_parts = {
        part: frame.filter(frame["input_dims"] != "")["device_us"].sum() for part, frame in parts.items()
    }
    assert sum(in_parts.values()) * 1000 / time.sum() > 0.95
    for part in ("unet", "vae"):
        told = {op for op, _, where in facts["ops"] if where == part}
        assert set(parts[part]["op"]) <= told


def test_each_replay_has_what_its_function_did_kernel_by_kernel(
    linked: LinkedTrace, facts: dict[str, Any], whole: NamedWork
) -> None:
    """Against the facts read plainly: the ops that each kernel's name stands for there."""
    ops: dict[str, set[tuple[str, str]]] = {}
    for kernel, op, _ in facts["work"]:
        ops.setdefault(facts["kernels"][kernel], set()).add(tuple(facts["ops"][op][:2]))
    for piece in np.flatnonzero(in_graphs(linked) & (whole.kind >= 0)).tolist():
        name = linked.trace.names[linked.trace.name[linked.work.row[piece]]]
        assert whole.kinds[whole.kind[piece]] in ops[name]
    with_args = [whole.kinds[kind].args for kind in whole.kind[in_graphs(linked)].tolist() if kind >= 0]
    assert all(msgspec.json.decode(text)["Input Dims"] for text in set(with_args))


def test_kernels_of_one_call_are_one_call_and_those_of_another_replay_are_not(
    linked: LinkedTrace, facts: dict[str, Any], whole: NamedWork
) -> None:
    inside = np.flatnonzero(in_graphs(linked) & (whole.kind >= 0))
    launch, call, kind = linked.work.launch[inside], whole.call[inside], whole.kind[inside]
    assert (call >= 0).all()
    pairs = np.unique(np.stack((call, launch)), axis=1)
    assert len(np.unique(call)) == pairs.shape[1], "a call lies in one replay"
    assert np.unique(np.stack((call, kind)), axis=1).shape == pairs.shape, "and is of one op"
    assert not np.isin(call, linked.work.op).any()
    norms = [op for op, (name, *_) in enumerate(facts["ops"]) if name == "aten::cudnn_convolution"]
    sizes = np.bincount([number for _, op, number in facts["work"] if op in norms])
    numbers = [number for number, op in enumerate(whole.kinds) if op.op == "aten::cudnn_convolution"]
    _, pieces = np.unique(call[np.isin(kind, numbers)], return_counts=True)
    assert 1 < pieces.max() <= sizes.max(), "of five, two are fills and paddings without a name"


def test_kernels_more_or_less_in_the_recorded_order_leave_the_rest(
    linked: LinkedTrace, facts: dict[str, Any], whole: NamedWork
) -> None:
    """One more, one less, or another one every 500 kernels, which is within every replay of the denoiser."""
    work = facts["work"]
    every = {place for place in range(len(work)) if place % 500 == 250}
    for other in (
        [item for place, one in enumerate(work) for item in ([[0, 0, 0], one] if place in every else [one])],
        [one for place, one in enumerate(work) if place not in every],
        [[0, 0, 0] if place in every else one for place, one in enumerate(work)],
    ):
        found = named(linked, {**facts, "work": other})
        assert whole.unnamed <= found.unnamed <= 100, "of 3,745"
        known = np.flatnonzero((found.kind >= 0) & in_graphs(linked))
        differs = [k for k in known.tolist() if found.kinds[found.kind[k]] != whole.kinds[whole.kind[k]]]
        assert not differs


@pytest.mark.parametrize(
    "change",
    [
        lambda _: [],
        lambda _: "graph_work",
        lambda _: 7,
        lambda _: {},
        lambda facts: {**facts, "kernels": None},
        lambda facts: {**facts, "work": []},
        lambda facts: {**facts, "work": facts["work"][0]},
        lambda facts: {**facts, "work": [[0, 0], [1]]},
        lambda facts: {**facts, "work": [*facts["work"], [0, 0]]},
        lambda facts: {**facts, "work": [*facts["work"], [len(facts["kernels"]), 0, 0]]},
        lambda facts: {**facts, "work": [*facts["work"], [0, len(facts["ops"]), 0]]},
        lambda facts: {**facts, "work": [*facts["work"], [-1, 0, 0]]},
        lambda facts: {**facts, "work": [*facts["work"], [0, -1, 0]]},
        lambda facts: {**facts, "work": [*facts["work"], [0, 0, -1]]},
        lambda facts: {**facts, "work": [*facts["work"], [0, 0, 2**62]]},
        lambda facts: {**facts, "work": [*facts["work"], [0, 0, 10**30]]},
        lambda facts: {**facts, "work": [["a", "b", "c"]]},
        lambda facts: {**facts, "work": {"0": [0, 0, 0]}},
        lambda facts: {**facts, "ops": [[]]},
        lambda facts: {**facts, "ops": [None]},
        lambda facts: {**facts, "ops": []},
        lambda facts: {**facts, "kernels": []},
    ],
)
def test_facts_in_another_form_name_nothing_and_raise_nothing(
    linked: LinkedTrace, facts: dict[str, Any], change: Any
) -> None:
    found = named(linked, change(facts))
    assert found.unnamed == found.in_graphs == 3745
    assert (found.call[in_graphs(linked)] == -1).all()


def test_replays_are_named_by_what_ran_one_by_one_in_the_same_trace(tmp_path: Path) -> None:
    """Once by itself, then replayed twice, the second time with a kernel more."""
    names = ["a", "b", "b", "c", "d", "e", "f", "g", "h", "a", "i"]
    events = []
    for place, name in enumerate(names):
        start = 1000 * place
        events.append(written.host(f"aten::{name}", start, 900))
        events.append(written.call("cudaLaunchKernel", start + 100, 500, place + 1))
        events.append(written.kernel(name, 20_000 + start, 900, place + 1))
    for number, replay in enumerate((names, [*names[:1], "x", *names[1:]])):
        begun = 100_000 * (number + 1)
        events.append(written.call("cudaGraphLaunch", begun, 500, 100 + number))
        for place, name in enumerate(replay):
            events.append(written.kernel(name, begun + 1000 * (place + 1), 900, 100 + number))
    linked = written.written(tmp_path / "trace.json", events)
    found = named(linked)
    order = np.argsort(linked.trace.start_ns[linked.work.row])
    ops = [found.kinds[kind].op if kind >= 0 else None for kind in found.kind[order].tolist()]
    wanted = [f"aten::{name}" for name in names]
    assert ops == [*wanted, *wanted, None, None, *wanted[1:]]
    assert (found.in_graphs, found.unnamed) == (23, 2)
    assert len(np.unique(found.call[found.kind >= 0])) == 32


@pytest.mark.parametrize("name", ["bf16_sdpa_cudagraphs", "fp32_eager"])
def test_a_trace_without_shapes_and_facts_has_the_ops_of_its_launches(name: str) -> None:
    linked = linked_of(trace_path(name), with_python=False)
    found = named(linked)
    inside = in_graphs(linked)
    assert found.unnamed == found.in_graphs == np.count_nonzero(inside)
    assert (found.kind[~inside] >= 0).all()
    assert (found.kind[inside] == -1).all()
