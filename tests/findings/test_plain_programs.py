"""What findings say of programs that are no pipelines of diffusers, and where little is to be said."""

from __future__ import annotations

from typing import Any

import pytest

from sdtrace.findings import Culprit, Dominant, Fusable, Part
from tests.findings.figures import MS, SOFTMAX, WALL, WORK, found, idle, launch_bound, lost, work

OF_DIFFUSERS = ("diffusers", "AttnProcessor", "compile_repeated_blocks", "num_images_per_prompt", "guidance")
PLAIN = {"noun": "iteration"}
ATTENTION = work(SOFTMAX, 40 * MS, "attention_math")
HOST_BOUND = {"unprofiled_wall_ns": WALL // 10, "is_estimated": True}
FUSABLE = {"fusable": Fusable("", 40 * MS, WORK, 100)}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("device.unfused_attention", {"steady_kernels": ATTENTION}),
        ("device.fusion", FUSABLE),
        ("host.batch", launch_bound(60) | HOST_BOUND),
    ],
)
def test_advice_names_what_the_program_can_have(name: str, given: dict[str, Any]) -> None:
    plain, image = found(**PLAIN, **given)[name], found(noun="image", **given)[name]
    assert not any(word in plain.advice for word in (*OF_DIFFUSERS, "image"))
    assert any(word in image.advice for word in OF_DIFFUSERS)


def test_a_second_input_costs_less_only_where_launching_takes_the_time() -> None:
    assert "host.batch" in found(**launch_bound(60), **HOST_BOUND)
    assert "host.batch" not in found(**idle("python", 60), **HOST_BOUND)


def test_shorter_gpu_work_helps_where_the_cpu_prepares_input_before_it() -> None:
    launching, python = (
        found(**given, **HOST_BOUND, steady_kernels=ATTENTION)["device.unfused_attention"].evidence
        for given in (launch_bound(60), idle("python", 60))
    )
    assert "this will not help until then" in launching
    assert "this will not help until then" not in python


def test_attention_that_is_written_out_did_not_miss_a_flash_kernel() -> None:
    found_by = {given: found(steady_kernels=ATTENTION, calls_sdpa=given) for given in (True, False)}
    assert "device.slow_attention" in found_by[True]
    assert "device.slow_attention" not in found_by[False]
    assert "device.unfused_attention" in found_by[False]


def test_a_clock_that_is_off_by_little_is_no_loss() -> None:
    little, much = (
        found(**lost(work_after_wait=1, clock_error_ns=error_ns))["trace.clock"]
        for error_ns in (WALL // 10 // 1000, WALL // 10 // 1000 + 1)
    )
    assert (little.severity, much.severity) == ("info", "high")
    assert "too little to matter" in little.evidence


def test_gpu_work_of_more_than_the_wall_ran_on_several_streams() -> None:
    facts = Dominant(WORK, True, None, Part("gemm", WORK, 0, 0), None, [])
    alone, at_once = (
        found(dominant=facts, steady_wall_ns=wall_ns, n_steady=1)["steady.dominant"].evidence
        for wall_ns in (WORK, WORK - 1)
    )
    assert "some of it runs at the same time" not in alone
    assert "some of it runs at the same time" in at_once


def test_advice_names_the_python_code_and_a_loader_without_workers() -> None:
    python = found(**idle("python", 60), culprits={"python": [Culprit("prepare.py(3): resize", MS)]})
    assert python["host.python"].advice.startswith("Move `prepare.py(3): resize` out of the loop")
    assert found(**idle("python", 60))["host.python"].advice.startswith("Move it out of the loop")
    alone, helped = (
        found(**idle("data_wait", 60), loads_alone=given)["host.data"].advice for given in (True, False)
    )
    assert alone.startswith("Give the loader workers (`num_workers`, 0 now), `pin_memory=True`")
    assert helped.startswith("More workers (`num_workers`), `pin_memory=True`")
