"""Calls that wait for the GPU: which, how often, from where; the advice names them and no others."""

from __future__ import annotations

from typing import Any

from sdtrace.analysis.sync_facts import waits
from sdtrace.findings import Wait
from tests.analysis.reference import studied
from tests.findings.figures import MS, found, idle


def _sync(*calls: Wait, **changes: Any) -> tuple[str, str]:
    finding = found(**idle("sync", 20), waits=calls, **changes)["host.sync"]
    return finding.evidence, finding.advice


def test_calls_from_one_place_are_told_together() -> None:
    item, branch = (
        Wait("aten::item", 30 * MS, 200, "scheduler"),
        Wait("aten::is_nonzero", MS, 10, "scheduler"),
    )
    evidence, advice = _sync(item, branch)
    assert "`aten::item` (20 an iteration in `scheduler`, 3.00 ms)" in evidence
    assert advice.startswith(
        "Remove `.item()` (20 an iteration) and `if tensor` (1 an iteration) from `scheduler`. "
    )


def test_a_frame_tells_more_than_a_component() -> None:
    wait = Wait("aten::to", MS, 10, "vae", "app/pipeline.py(7): decode")
    evidence, advice = _sync(wait)
    assert "called by `app/pipeline.py(7): decode`" in evidence
    assert advice.startswith("Remove `.to()` (1 an iteration) from `app/pipeline.py(7): decode`. ")


def test_calls_outside_the_models_are_said_to_be_there_only_where_models_are_known() -> None:
    wait = Wait("aten::item", MS, 10)
    assert _sync(wait, has_components=True)[1].startswith(
        "Remove `.item()` (1 an iteration) in code outside the models (scheduler or pipeline). "
    )
    assert _sync(wait)[1].startswith("Remove `.item()` (1 an iteration) from the loop. ")


def test_advice_says_nothing_of_calls_that_the_trace_does_not_have() -> None:
    _, advice = _sync(Wait("aten::nonzero", MS, 10))
    assert ".item()" not in advice
    assert "`nonzero()`" in advice
    assert _sync(Wait("my::op", MS, 10))[1] == "Remove `my::op` (1 an iteration) from the loop."


def test_a_trace_with_stacks_names_the_function_that_waits() -> None:
    """The scheduler of diffusers reads `.item()` in `_get_prev_sample`, as its source says."""
    study = studied("h200-bf16_sdpa_eager.stack.json.gz")
    known = {wait.op: wait for wait in waits(study)}
    assert known["aten::item"].frame == "diffusers/schedulers/scheduling_pndm.py(409): _get_prev_sample"
    assert known["aten::item"].component == "scheduler"
    assert "encode_prompt" in known["aten::to"].frame
