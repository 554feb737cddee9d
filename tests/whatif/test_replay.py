"""The replay of a plan: by hand, and unchanged on real traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdtrace.analysis.study import Study, study_trace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.trace import load_trace
from sdtrace.whatif import changes
from sdtrace.whatif.changes import Factors
from sdtrace.whatif.plan import plan_of
from sdtrace.whatif.replay import GAP_NS, LAUNCH_NS, RETURN_NS, replay
from tests.analysis.reference import studied
from tests.whatif.plans import US, plan
from tests.written import call, kernel, written

DATA = Path(__file__).parent / "data"
OWN = ("vae.base", "flux.compile", "flux.graphs")
SHARED = (
    *(f"wild/{name}" for name in ("pairs_sd", "pairs_fp32", "lora_train", "sd_offload", "flux_recompile")),
    *(f"wild/cfg_parallel.rank{rank}" for rank in (0, 1)),
    *(f"reference/{name}" for name in ("bf16_sdpa.warm", "bf16_sdpa_graphs.warm", "fp32_eager")),
    *(f"third_party/{name}" for name in ("tracelens_xdit_sd35_mi300x", "hta_ns_resolution_v100")),
)


def test_a_host_that_paces_the_device() -> None:
    # Twice 100 us on the host, 10 us on the device each: the last work ends after the host.
    wall = replay(plan((95, 5, 10), (95, 5, 10)))
    assert wall == 200 * US


def test_a_device_that_paces_the_host() -> None:
    wall = replay(plan((5, 5, 100), (5, 5, 100)))
    assert wall == 2 * (100 * US + GAP_NS)


def test_an_iteration_alone_waits_for_its_first_launch_and_for_its_last_work() -> None:
    paced = plan((5, 5, 100), (5, 5, 100), tail=20)
    assert replay(paced, alone=True) == 10 * US + LAUNCH_NS + 100 * US + GAP_NS + 100 * US
    waited = plan((10, 5, 100), (0, 0, 0), waits=(1,), tail=50)
    assert replay(waited, alone=True) == replay(waited)


def test_a_call_that_waits_returns_after_the_work() -> None:
    # The gap after the wait is the host's alone, so nothing is hidden.
    wall = replay(plan((10, 5, 100), (0, 0, 0), waits=(1,), tail=50))
    assert wall == 15 * US + LAUNCH_NS + 100 * US + RETURN_NS + 50 * US


def test_kernels_of_a_graph_start_while_the_call_lasts() -> None:
    as_kernel = replay(plan((0, 300, 100), (0, 0, 0), waits=(1,)))
    as_graph = replay(plan((0, 300, 100), (0, 0, 0), waits=(1,), graphs=(0,)))
    assert as_kernel - as_graph == 100 * US + LAUNCH_NS + RETURN_NS


def test_a_full_queue_holds_the_host_up() -> None:
    many = plan(*[(0, 1, 100)] * 1_100, (0, 0, 0), tail=30_000)
    short = plan(*[(0, 1, 100)] * 100, (0, 0, 0), tail=30_000)
    # 100 launches are all queued before the tail; of 1,100 the host sees 78 begin before it gets there.
    assert replay(short) == 30_100 * US
    assert replay(many) > 1_100 * 100 * US


def test_changes_do_what_they_say() -> None:
    first = plan((10, 5, 100), (10, 5, 50), (0, 0, 0), waits=(2,))
    base = replay(first)
    calls, pieces = np.array([True, False, False]), np.array([True, False])
    gone = changes.dropped(calls)(first, "middle")
    # Its 100 us and its own 5, and the second launch, 15 us later then, is what the work waits for.
    assert base - replay(gone) == 91_600
    half = changes.scaled(pieces, Factors(0.25, 0.5, 1.0))
    assert base - replay(half(first, "middle")) == 50 * US
    assert base - replay(half(first, "best")) == 75 * US
    assert replay(half(first, "worst")) == base
    ahead = changes.unblocked(np.array([False, False, True]))(first, "middle")
    assert replay(ahead) == 150 * US + 2 * GAP_NS


def test_one_graph_takes_the_place_of_many_calls() -> None:
    eager = plan(*[(20, 5, 2)] * 50, (0, 0, 0), waits=(50,))
    group = np.append(np.zeros(50, np.int64), -1)
    graph = changes.from_graphs(group, Factors(10_000, 10_000, 10_000))(eager, "middle")
    assert replay(eager) > 50 * 25 * US
    assert replay(graph) < 50 * 3 * US + 50 * US


def test_what_stays_beside_graphs_is_quicker_where_the_change_says_so() -> None:
    eager = plan((40, 5, 2), (20, 5, 2), (20, 5, 2), (0, 0, 0), waits=(3,), tail=80)
    group, call = np.array([-1, 0, 0, -1]), Factors(0, 0, 0)
    as_it_is = changes.from_graphs(group, call, changes.AS_IT_IS)(eager, "best")
    assert as_it_is.host_ns == (40 + 5 + 20 + 80) * US
    quicker = changes.from_graphs(group, call)(eager, "best")
    assert quicker.host_ns == changes.BESIDE_GRAPHS.best * as_it_is.host_ns


def test_what_the_host_does_last_can_go_too() -> None:
    first = plan((40, 5, 2), (20, 5, 2), tail=100)
    recorded = np.array([80, 40, 200]) * US  # as slow again as without the profiler
    less = changes.less_host(np.array([80, 0, 150]) * US, recorded)(first, "middle")
    assert less.calls.gap_ns.tolist() == [0, 20 * US]
    assert less.tail_ns == 25 * US


def test_work_in_fewer_calls_stays_and_at_worst_so_do_the_calls() -> None:
    eager = plan((20, 5, 9), (20, 5, 9), (20, 5, 9))
    gone = np.array([True, False, True])
    fewer = changes.in_fewer_calls(gone)
    assert fewer(eager, "middle").host_ns == 25 * US
    assert fewer(eager, "middle").device_ns == eager.device_ns
    assert fewer(eager, "worst") == eager
    graphs = plan((20, 5, 9), (20, 5, 9), (20, 5, 9), graphs=(0,))
    assert fewer(graphs, "middle").host_ns == 50 * US


def test_what_perhaps_cannot_be_done_is_done_at_best_only() -> None:
    eager = plan((20, 5, 9), (20, 5, 9))
    perhaps = changes.at_best(changes.without_gaps(np.array([True, True])))
    assert perhaps(eager, "best").host_ns == 10 * US
    assert perhaps(eager, "middle") == perhaps(eager, "worst") == eager


def test_each_further_image_of_a_batch_adds_its_share() -> None:
    one = plan((1, 1, 1_000))
    best, middle, worst = (
        changes.batched(3)(one, outlook).device_ns for outlook in ("best", "middle", "worst")
    )
    assert (best, middle, worst) == (1_900 * US, 2_300 * US, 2_800 * US)


def test_what_is_compiled_launches_less_and_moves_less() -> None:
    eager = plan(*[(20, 5, 9)] * 30, (0, 0, 0), waits=(30,))
    group = np.append(np.zeros(30, np.int64), -1)
    fused = changes.compiled(group, np.ones(30, np.bool_))(eager, "middle")
    assert fused.pieces.dur_ns.sum() == pytest.approx(30 * 9 * US * changes.FUSED.middle, rel=0.01)
    assert np.count_nonzero(fused.pieces.dur_ns) == 30 // changes.FUSED_COUNT
    assert fused.host_ns == pytest.approx(eager.host_ns * changes.COMPILED_HOST.middle)


def test_an_iteration_behind_others_is_planned_as_if_it_were_alone(tmp_path: Path) -> None:
    # 1,000 kernels of 50 us are queued when the second iteration begins: its first call is held up by them.
    events = [call("cudaLaunchKernel", n * 5 * US, 4 * US, n) for n in range(1000)]
    events += [kernel("k", 10 * US + n * 50 * US, 50 * US, n) for n in range(1000)]
    begin = 5_000 * US
    events += [call("cudaLaunchKernel", begin + US, 40_000 * US, 2000)]
    events += [call("cudaLaunchKernel", begin + (40_002 + n * 5) * US, 4 * US, 2001 + n) for n in range(9)]
    events += [kernel("k", 50_010 * US + n * 50 * US, 50 * US, 2000 + n) for n in range(10)]
    found = plan_of(written(tmp_path / "t.json", events), begin, begin + 40_050 * US)
    assert found is not None
    assert found.calls.own_ns.tolist() == [4 * US] * 10
    assert found.pieces.lag_ns.max() == 0
    assert replay(found, alone=True) == pytest.approx(10 * 50 * US, rel=0.1)


@pytest.mark.parametrize("name", [*OWN, *SHARED])
def test_unchanged_it_takes_as_long_as_profiled(name: str) -> None:
    study = own(name) if name in OWN else studied(name)
    assert study.steady
    # Of V100s there is one trace: of its iterations one is 5 % off.
    rows = study.steady if "v100" not in name else sorted(study.steady, key=lambda row: row.wall_ns)[:1]
    for row in rows:
        assert replayed(study, row.start_ns, row.host_wall_ns) == pytest.approx(row.wall_ns, rel=0.01)


def own(name: str) -> Study:
    return study_trace(load_trace(DATA / f"{name}.json.gz"), load_rules(None))


def replayed(study: Study, start_ns: int, host_ns: int) -> int:
    found = plan_of(study.linked, start_ns, start_ns + host_ns)
    assert found is not None
    return replay(found)
