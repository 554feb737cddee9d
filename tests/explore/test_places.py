"""Places are looked up where they change, or for single events: both say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdtrace.analysis import Options
from sdtrace.analysis.study import study_trace
from sdtrace.explore import places
from sdtrace.explore.picks import find_picks
from sdtrace.explore.places import Places
from sdtrace.intervals import Int64s
from sdtrace.trace import load_trace
from tests.explore import parts
from tests.explore.parts import EAGER, GRAPHS, REGIONAL
from tests.written import Event, call, host, kernel, written


@pytest.mark.parametrize("name", [EAGER, REGIONAL, GRAPHS])
def test_both_ways_give_the_same_places(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    study, found = parts.analysis(name).study, parts.explored(name)
    own = Places(study, found.picks)
    start, thread = study.linked.host.start_ns, study.linked.host.thread
    codes = []
    for short in (0, len(start)):
        monkeypatch.setattr(places, "_SHORT", short)
        place, number = own.of_host(start, thread)
        codes.append(np.stack([column[number] for column in place]))
    assert (codes[0] == codes[1]).all()


def test_many_threads_with_phases_of_their_own_are_looked_up_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    for number in range(500):
        start = 10_000 * number
        events.append(host("aten::add", start, 9_000, thread=number))
        events.append(call("cudaLaunchKernel", start + 2_000, 4_000, number + 1, thread=number))
        events.append(kernel("k", start + 5_000, 3_000, number + 1))
        events.append(host("unet", start, 9_500, "user_annotation", thread=number))
    linked = written(tmp_path / "t.json", events)
    study = study_trace(load_trace(tmp_path / "t.json"), Options.of().rules)
    asked: list[int] = []
    edges = Places._edges

    def counted(self: Places, thread: int) -> Int64s:
        asked.append(thread)
        return edges(self, thread)

    monkeypatch.setattr(Places, "_edges", counted)
    own = Places(study, find_picks(study))
    _, found = own.of_host(study.linked.host.start_ns, study.linked.host.thread)
    assert len(found) == len(linked.host)
    assert asked == [places.NONE]
