"""What recording costs the host, by hand; and the pace of the host that stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdtrace.whatif.plan import GRAPH_GAP_NS, GraphGaps
from sdtrace.whatif.profiler_cost import LAUNCH_NS, OP_NS, Slowness, slowness, without_profiler
from tests.analysis.reference import studied
from tests.whatif.plans import US, plan

NOTHING = np.zeros(2, np.int64)


def test_what_recording_costs_is_taken_off_as_on_a_quick_host() -> None:
    # Two launches of 100 us each, each with 10 ops.
    first = plan((90, 10, 5), (90, 10, 5))
    first = replace(first, calls=first.calls._replace(ops=np.array([10, 10])))
    cost = 10 * OP_NS + LAUNCH_NS
    quick = without_profiler(first, Slowness(1.0, 1.0), NOTHING)
    assert quick.host_ns == pytest.approx(2 * (100 * US - cost))
    # A host twice as slow took half of that time for the program, and half for the profiler.
    now_quick = without_profiler(first, Slowness(2.0, 1.0), NOTHING)
    assert now_quick.host_ns == pytest.approx(2 * (50 * US - cost))
    still_slow = without_profiler(first, Slowness(2.0, 2.0), NOTHING)
    assert still_slow.host_ns == pytest.approx(2 * (100 * US - 2 * cost))


def test_what_no_recording_slows_down_stays_as_it_is() -> None:
    first = plan((90, 10, 5), (90, 10, 5))
    plain = np.array([60 * US, 0])
    found = without_profiler(first, Slowness(2.0, 1.0), plain)
    assert found.host_ns == pytest.approx(60 * US + 20 * US + 50 * US - 2 * LAUNCH_NS)


def test_unrecorded_a_graph_begins_sooner_and_its_copies_are_like_its_kernels() -> None:
    first = plan((90, 1000, 5), (90, 10, 5), graphs=(0,))
    first = replace(first, pieces=first.pieces._replace(lag_ns=np.array([100 * US, 70 * US])))
    found = without_profiler(first, Slowness(1.0, 1.0), NOTHING)
    assert found.pieces.lag_ns.tolist() == pytest.approx(
        [100 * US * found.calls.own_ns[0] / (1000 * US), 70 * US], abs=1
    )
    assert found.pieces.lag_ns[0] < 60 * US
    assert found.graph_gaps == GraphGaps(GRAPH_GAP_NS, GRAPH_GAP_NS, GRAPH_GAP_NS)


@pytest.mark.parametrize(
    ("name", "traced"), [("reference/bf16_sdpa.cold", 1.04), ("reference/fp32_eager", 1.78)]
)
def test_less_of_a_slow_host_stays_than_the_trace_shows(name: str, traced: float) -> None:
    study = studied(name)
    row = min(study.steady, key=lambda row: row.wall_ns)
    found = slowness(study.linked, row.start_ns, row.start_ns + row.host_wall_ns)
    assert found.traced == pytest.approx(traced, abs=0.01)
    assert 1 < found.plain < found.traced
