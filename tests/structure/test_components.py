from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sdtrace.breakdowns.components import OUTSIDE, block_rows, component_rows
from sdtrace.structure.component_names import ANNOTATIONS, BLOCKS, FUNCTIONS, MODULES
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.structure import pipelines
from tests.structures import phases_of, structure_of
from tests.written import call, host, kernel, without, written

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
        linked = linked_of(shared_trace(f"{name}.json.gz"))
        found = structure_of(linked)
        phases = phases_of(linked, found)
        facts = component_rows(linked, found.components, found.launches, phases)
        assert sum(item.gpu_ns for item in facts) == int(linked.trace.dur_ns[linked.work.row].sum())
        start, end = phases.timeline.edges[[0, -1]].tolist()
        assert sum(item.wall_ns for item in facts) == end - start
        assert {item.component for item in facts} >= {"text_encoder", "unet", "vae", OUTSIDE}


def test_modules_name_the_components_and_blocks_of_a_unet() -> None:
    linked = linked_of(shared_trace("reference/bf16_sdpa_eager.stack.json.gz"))
    found = structure_of(linked)
    assert found.components.confidence == "certain"
    calls = {name: int((found.components.code == i).sum()) for i, name in enumerate(found.components.names)}
    # One prompt and one negative prompt; 2 steps of PNDM are 3 calls.
    assert calls == {"text_encoder": 2, "unet": 3, "transformer": 0, "vae": 1, "scheduler": 7}
    phases = phases_of(linked, found)
    blocks = block_rows(linked, found.blocks, found.launches, phases)
    unet = component_rows(linked, found.components.only(["unet"]), found.launches, phases)
    in_blocks = sum(item.gpu_ns for item in blocks)
    in_unet = sum(item.gpu_ns for item in unet if item.component == "unet")
    assert {item.component for item in blocks} == {"unet.down_blocks", "unet.mid_block", "unet.up_blocks"}
    assert 0.9 * in_unet < in_blocks < in_unet


def test_a_guess_agrees_with_the_modules_it_cannot_see() -> None:
    linked = linked_of(shared_trace("reference/bf16_sdpa_eager.stack.json.gz"))
    blind = without(linked.trace, categories=["python_function"])
    known, guessed = (
        structure_of(linked),
        structure_of(blind),
    )
    assert guessed.components.confidence == "guess"
    assert len(guessed.steps) == len(known.steps)
    seen: dict[str, int] = {}
    blind_sums: dict[str, int] = {}
    for sums, what, found in ((seen, linked, known), (blind_sums, blind, guessed)):
        facts = component_rows(
            what,
            found.components,
            found.launches,
            phases_of(what, found),
        )
        for item in facts:
            sums[item.component] = sums.get(item.component, 0) + item.gpu_ns
    total = sum(seen.values())
    for component in ("text_encoder", "unet", "vae"):
        assert abs(seen[component] - blind_sums[component]) < 0.01 * total, component


def test_a_trace_of_another_kind_has_no_components() -> None:
    for name in ("hta_ns_resolution_v100", "hta_cpu_only", "hta_cudagraph_training_a100"):
        found = structure_of(linked_of(shared_trace(f"third_party/{name}.json.gz")))
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
    linked = written(tmp_path / "t.json", events)
    found = structure_of(linked)
    facts = component_rows(
        linked,
        found.components,
        found.launches,
        phases_of(linked, found),
    )
    rows = {item.component: (item.gpu_ns, item.wall_ns, item.calls) for item in facts}
    assert rows == {"vae": (7, 100, 1), "unet": (11, 50, 1), OUTSIDE: (13, 613 - 150, 0)}
    codes = found.components.at(np.array([99, 100, 249, 250]), np.array([linked.host.thread[0]] * 4))
    names = [found.components.names[code] if code >= 0 else None for code in codes.tolist()]
    assert names == ["vae", None, "unet", None]


@pytest.mark.parametrize("denoises", [False, True])
def test_a_language_model_encodes_text_only_where_a_denoiser_follows(tmp_path: Path, denoises: bool) -> None:
    events = [host("aten::mm", n * 1000, 900) for n in range(12)]
    events += [host(f"nn.Module: LlamaModel_{n}", n * 1000, 900, "python_function") for n in range(3)]
    if denoises:
        name = "nn.Module: LuminaNextDiT2DModel_0"
        events += [host(name, n * 1000, 900, "python_function") for n in range(4, 8)]
    found = structure_of(written(tmp_path / "t.json", events))
    calls = len(found.components.only(["text_encoder"]))
    assert calls == (3 if denoises else 0)


def test_a_decoder_is_a_guessed_vae_without_group_normalization(tmp_path: Path) -> None:
    run = pipelines.Recorder()
    plain = [op for op in pipelines.VIDEO_DECODE if op != "group_norm"]
    for _ in range(2):
        run.ops(pipelines.TEXT)
        for _ in range(4):
            run.ops(pipelines.UNET)
        run.ops(plain)
    found = structure_of(written(tmp_path / "t.json", run.events))
    assert len(found.components.only(["vae"])) == 2


def test_a_residual_block_that_enlarges_its_input_and_its_skip_is_no_decoder(tmp_path: Path) -> None:
    larger = [*("group_norm", "silu", "upsample_nearest2d", "upsample_nearest2d", "conv2d", "linear")]
    larger += ["group_norm", "silu", "conv2d", "add"]
    attention, block = ["linear", "scaled_dot_product_attention"], ("group_norm", "silu", "conv2d")
    unet = [*pipelines.UNET, *(["cat", *block * 2, "add", *attention, *larger, "cat", *block * 2] * 2)]
    run = pipelines.Recorder()
    for _ in range(2):
        run.ops(pipelines.TEXT)
        for _ in range(4):
            run.ops([*unet, *pipelines.SCHEDULER])
        run.ops(pipelines.VAE_DECODE)
    linked = written(tmp_path / "t.json", run.events)
    found = structure_of(linked)
    rows = component_rows(linked, found.components, found.launches, phases_of(linked, found))
    work = {row.component: row.gpu_ns // 3000 for row in rows}
    assert 8 * len(unet) <= work["unet"] <= 8 * (len(unet) + len(pipelines.SCHEDULER))
