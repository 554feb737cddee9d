from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sdtrace.attribution.op_table import attribute
from sdtrace.phases.component_names import ANNOTATIONS, BLOCKS, FUNCTIONS, MODULES
from sdtrace.phases.facts import OUTSIDE, block_facts, component_facts
from sdtrace.phases.phases import find_phases
from sdtrace.phases.pipeline import find_pipeline
from sdtrace.trace import load_trace
from tests.phases.written import call, host, kernel, without, written
from tests.shared import shared_trace

Rules = tuple[tuple[str, re.Pattern[str]], ...]


@pytest.mark.parametrize(
    ("name", "rules", "component"),
    [
        ("nn.Module: CLIPTextModel_0", MODULES, "text_encoder"),
        ("nn.Module: CLIPTextModelWithProjection_1", MODULES, "text_encoder"),
        ("nn.Module: T5EncoderModel_0", MODULES, "text_encoder"),
        ("nn.Module: UNet2DConditionModel_0", MODULES, "unet"),
        ("nn.Module: SD3Transformer2DModel_0", MODULES, "transformer"),
        ("nn.Module: FluxTransformer2DModel_0", MODULES, "transformer"),
        ("nn.Module: PixArtTransformer2DModel_0", MODULES, "transformer"),
        ("nn.Module: Transformer2DModel_3", MODULES, None),
        ("nn.Module: BasicTransformerBlock_3", MODULES, None),
        ("nn.Module: AutoencoderKL_0", MODULES, "vae"),
        ("nn.Module: Decoder_0", MODULES, "vae"),
        ("nn.Module: UNetMidBlock2D_0", MODULES, None),
        ("nn.Module: T5Block_0", MODULES, None),
        ("diffusers/schedulers/scheduling_pndm.py(232): step", FUNCTIONS, "scheduler"),
        ("diffusers/schedulers/scheduling_pndm.py(324): step_plms", FUNCTIONS, None),
        ("nn.Module: CrossAttnDownBlock2D_1", BLOCKS, "down_blocks"),
        ("nn.Module: DownBlock2D_0", BLOCKS, "down_blocks"),
        ("nn.Module: UNetMidBlock2DCrossAttn_0", BLOCKS, "mid_block"),
        ("nn.Module: UpBlock2D_0", BLOCKS, "up_blocks"),
        ("nn.Module: UpDecoderBlock2D_0", BLOCKS, None),
        ("nn.Module: Downsample2D_0", BLOCKS, None),
        ("transformer_forward", ANNOTATIONS, "transformer"),
        ("vae_decode", ANNOTATIONS, "vae"),
        ("text_encode", ANNOTATIONS, "text_encoder"),
        ("UNet_forward", ANNOTATIONS, "unet"),
        ("scheduler_step", ANNOTATIONS, "scheduler"),
        ("model_inference", ANNOTATIONS, None),
        ("transformers warm-up", ANNOTATIONS, None),
    ],
)
def test_names_in_use_tell_the_component(name: str, rules: Rules, component: str | None) -> None:
    found = next((known for known, pattern in rules if pattern.search(name)), None)
    assert found == component


def test_component_facts_sum_to_the_trace() -> None:
    for name in ("reference/bf16_sdpa_eager.stack", "reference/bf16_sdpa_graphs.warm"):
        told = attribute(load_trace(shared_trace(f"{name}.json.gz")))
        found = find_pipeline(told)
        phases = find_phases(told, found.iterations, found.steps)
        facts = component_facts(told, found.components, found.launches, phases)
        assert sum(item.device_ns for item in facts) == int(told.trace.dur_ns[told.work.row].sum())
        start, end = phases.timeline.edges[[0, -1]].tolist()
        assert sum(item.wall_ns for item in facts) == end - start
        assert {item.component for item in facts} >= {"text_encoder", "unet", "vae", OUTSIDE}


def test_modules_name_the_components_and_blocks_of_a_unet() -> None:
    told = attribute(load_trace(shared_trace("reference/bf16_sdpa_eager.stack.json.gz")))
    found = find_pipeline(told)
    assert found.components.confidence == "certain"
    calls = {name: int((found.components.code == i).sum()) for i, name in enumerate(found.components.names)}
    # One prompt and one negative prompt; 2 steps of PNDM are 3 calls.
    assert calls == {"text_encoder": 2, "unet": 3, "transformer": 0, "vae": 1, "scheduler": 7}
    phases = find_phases(told, found.iterations, found.steps)
    blocks = block_facts(told, found.blocks, found.launches, phases)
    unet = component_facts(told, found.components.only(["unet"]), found.launches, phases)
    in_blocks = sum(item.device_ns for item in blocks)
    in_unet = sum(item.device_ns for item in unet if item.component == "unet")
    assert {item.component for item in blocks} == {"unet.down_blocks", "unet.mid_block", "unet.up_blocks"}
    assert 0.9 * in_unet < in_blocks < in_unet


def test_a_guess_agrees_with_the_modules_it_cannot_see() -> None:
    trace = load_trace(shared_trace("reference/bf16_sdpa_eager.stack.json.gz"))
    told, blind = attribute(trace), without(trace, categories=["python_function"])
    known, guessed = find_pipeline(told), find_pipeline(blind)
    assert guessed.components.confidence == "guess"
    assert len(guessed.steps) == len(known.steps)
    seen: dict[str, int] = {}
    blind_sums: dict[str, int] = {}
    for sums, what, found in ((seen, told, known), (blind_sums, blind, guessed)):
        facts = component_facts(
            what, found.components, found.launches, find_phases(what, found.iterations, found.steps)
        )
        for item in facts:
            sums[item.component] = sums.get(item.component, 0) + item.device_ns
    total = sum(seen.values())
    for component in ("text_encoder", "unet", "vae"):
        assert abs(seen[component] - blind_sums[component]) < 0.01 * total, component


def test_a_trace_of_another_kind_has_no_components() -> None:
    for name in ("hta_ns_resolution_v100", "hta_cpu_only", "hta_cudagraph_training_a100"):
        found = find_pipeline(attribute(load_trace(shared_trace(f"third_party/{name}.json.gz"))))
        assert not len(found.components)
        assert not len(found.blocks)


def test_the_outermost_span_counts_and_only_on_its_thread(tmp_path: Path) -> None:
    events = [
        host("vae", 0, 100, "user_annotation"),
        host("unet", 10, 20, "user_annotation"),
        host("unet", 200, 50, "user_annotation"),
        host("aten::mm", 205, 10),
        host("aten::mm", 205, 10, thread=2),
        call("cudaLaunchKernel", 20, 2, 1),
        call("cudaLaunchKernel", 210, 2, 2),
        call("cudaLaunchKernel", 210, 2, 3, thread=2),
        kernel("k", 400, 7, 1),
        kernel("k", 500, 11, 2),
        kernel("k", 600, 13, 3),
    ]
    told = written(tmp_path / "t.json", events)
    found = find_pipeline(told)
    facts = component_facts(
        told, found.components, found.launches, find_phases(told, found.iterations, found.steps)
    )
    rows = {item.component: (item.device_ns, item.wall_ns, item.calls) for item in facts}
    assert rows == {"vae": (7, 100, 1), "unet": (11, 50, 1), OUTSIDE: (13, 613 - 150, 0)}
    codes = found.components.at(np.array([99, 100, 249, 250]), np.array([told.host.thread[0]] * 4))
    names = [found.components.names[code] if code >= 0 else None for code in codes.tolist()]
    assert names == ["vae", None, "unet", None]
