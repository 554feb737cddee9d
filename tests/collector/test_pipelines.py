"""Every family of pipelines: as many images and steps as there were, and every part by its name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import sdtrace
from sdtrace_collector import profile_call
from tests.collector.tiny_pipelines import TINY
from tests.collector.tiny_recent import RECENT

FAMILIES = {**TINY, **RECENT}
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def profiled(family: str, **plan: Any) -> tuple[Any, sdtrace.Analysis]:
    """The pipeline and the analysis of two calls."""
    tiny = FAMILIES[family]
    pipe = tiny.make()
    plan = {"images": 2, "unprofiled": 0, "skip": 0, **plan}
    return pipe, profile_call(lambda: tiny.call(pipe), pipe, **plan)


def steps_of(analysis: sdtrace.Analysis) -> list[int]:
    return analysis.steps.group_by("iteration", maintain_order=True).len()["len"].to_list()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_reported_as_it_ran(family: str) -> None:
    tiny = FAMILIES[family]
    pipe, analysis = profiled(family)
    parts = set(analysis.components["component"]) - {"other", "scheduler"}
    assert steps_of(analysis) == [tiny.steps] * 2
    assert parts == tiny.parts
    facts = analysis.report.run
    (described,) = facts["pipelines"]
    assert described["class"] == type(pipe).__name__
    assert facts["steps"] == tiny.asked
    assert facts["batch"] == 1


def test_both_transformers_of_a_pipeline_are_named() -> None:
    _, analysis = profiled("Wan 2.2")
    networks = analysis.report.run["pipelines"][0]["networks"]
    assert {name: part["range"] for name, part in networks.items() if "transformer" in name} == {
        "transformer": "transformer",
        "transformer_2": "transformer",
    }


def test_a_pipeline_is_as_it_was_afterwards() -> None:
    tiny = TINY["ControlNet"]
    pipe = tiny.make()
    tiny.call(pipe)
    owners = [
        pipe,
        pipe.scheduler,
        *(part for part in vars(pipe).values() if isinstance(part, torch.nn.Module)),
    ]
    before = [list(vars(each)) for each in owners]
    methods = type(pipe).__call__, type(pipe.scheduler).step
    profile_call(lambda: tiny.call(pipe), pipe, images=1, unprofiled=0, skip=0)
    assert [list(vars(each)) for each in owners] == before
    assert (type(pipe).__call__, type(pipe.scheduler).step) == methods
