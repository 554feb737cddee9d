"""Names of components, against what diffusers itself defines and what people write into their traces."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from sdtrace.structure.component_names import ANNOTATIONS, FUNCTIONS, LANGUAGE_MODEL, MODULES
from sdtrace.structure.components import find_marked_components
from tests.written import host, written

diffusers = pytest.importorskip("diffusers")
ROOT = Path(diffusers.__file__).parent


def component(name: str) -> str | None:
    """The component of a module class."""
    return next((known for known, pattern in MODULES if pattern.search(f"nn.Module: {name}_0")), None)


@cache
def classes(folder: str) -> dict[str, set[str]]:
    """The names of the classes defined below a folder of diffusers' models, each with its bases'."""
    return {
        name: set(re.findall(r"\w+", bases))
        for path in (ROOT / "models" / folder).rglob("*.py")
        for name, bases in re.findall(
            r"^class (\w+)\(([^)]*)\):", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }


@cache
def parameters() -> list[tuple[str, str]]:
    """Name and annotation of each parameter that stands on a line of its own in diffusers' pipelines."""
    return [
        found
        for path in (ROOT / "pipelines").rglob("pipeline_*.py")
        for found in re.findall(
            r"^        (\w+): ([^=\n]+?)(?: = None)?,$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]


def roles(pattern: str) -> set[str]:
    """The classes that diffusers' pipelines take for parameters whose name matches."""
    wanted = [kind for name, kind in parameters() if re.fullmatch(pattern, name)]
    return {word for kind in wanted for word in re.findall(r"[A-Z]\w+", kind)} - {"None", "Optional", "Union"}


MODEL_CLASSES = {
    name
    for folder in ("transformers", "unets", "autoencoders", "controlnets")
    for name, bases in classes(folder).items()
    if "ModelMixin" in bases or "AutoencoderMixin" in bases
}
USED_AS_BLOCK = {"Transformer2DModel"}
"""A model of its own in two early pipelines; in every UNet a block."""


def test_every_denoiser_that_a_pipeline_takes_is_known() -> None:
    taken = roles(r"(unconditional_)?transformer(_2)?|(image_|text_)?unet|prior(_prior)?")
    denoisers = (taken & MODEL_CLASSES) - USED_AS_BLOCK
    assert len(denoisers) > 70
    assert {name for name in denoisers if component(name) not in {"transformer", "unet"}} == set()


def test_every_model_class_of_a_denoiser_is_known() -> None:
    models = {name for name, bases in classes("transformers").items() if "ModelMixin" in bases}
    no_denoisers = {"MiniMaxMusic3RVQDepthDecoder", "T5FilmDecoder", "TransformerTemporalModel"}
    assert {
        name for name in models - no_denoisers - USED_AS_BLOCK if component(name) != "transformer"
    } == set()
    assert len(models) > 70


def test_no_part_of_a_denoiser_is_taken_for_a_component() -> None:
    parts = {
        name
        for folder in ("transformers", "unets")
        for name, bases in classes(folder).items()
        if "ModelMixin" not in bases and "UNet2DConditionModel" not in bases
    }
    assert len(parts) > 300
    assert {name: component(name) for name in parts if component(name)} == {}


def test_no_controlnet_is_taken_for_a_component() -> None:
    nets = [name for name in classes("controlnets") if name.endswith("Model")]
    assert {
        name: component(name) for name in nets if name != "UNetControlNetXSModel" and component(name)
    } == {}


def test_every_vae_that_a_pipeline_takes_and_its_encoder_and_decoder_are_known() -> None:
    taken = roles(r"(audio_)?vae|movq|vqvae|vqgan") & MODEL_CLASSES
    parts = set()
    for path in (ROOT / "models" / "autoencoders").glob("autoencoder_*.py"):
        text = path.read_text(encoding="utf-8")
        parts |= set(re.findall(r"self\.(?:en|de)coder = (\w+(?:En|De)coder\w*)\(", text))
    assert len(taken) > 20
    assert len(parts) > 30
    assert {name: component(name) for name in taken | parts if component(name) != "vae"} == {}


def test_every_text_encoder_that_a_pipeline_takes_is_known() -> None:
    elsewhere = {"OnnxRuntimeModel", "PreTrainedModel", "VitsModel"}
    taken = {name for name in roles(r"text_encoder(_\d)?") if "PreTrained" not in name}
    taken -= elsewhere
    assert len(taken) > 25
    assert {name for name in taken if component(name) not in {"text_encoder", LANGUAGE_MODEL}} == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LlamaForCausalLM", LANGUAGE_MODEL),
        ("Qwen2ForCausalLM", LANGUAGE_MODEL),
        ("Qwen2_5_VLForConditionalGeneration", LANGUAGE_MODEL),
        ("BertModel", LANGUAGE_MODEL),
        ("QwenImageTransformer2DModel", "transformer"),
        ("NunchakuFluxTransformer2dModel", "transformer"),
        ("xFuserFluxTransformer2DWrapper", "transformer"),
        ("NextDiT", "transformer"),
        ("WanModel", "transformer"),
        ("UNetModel", "unet"),
        ("WanVAE", "vae"),
        ("AutoencodingEngine", "vae"),
        ("FrozenOpenCLIPEmbedder2", "text_encoder"),
        ("SDXLClipModel", "text_encoder"),
        ("AutoencoderTinyBlock", None),
        ("UNetMidBlock2D", None),
        ("LlamaDecoderLayer", None),
        ("CLIPVisionModelWithProjection", None),
        ("CLIPEncoder", None),
        ("Linear", None),
    ],
)
def test_a_module_class_tells_the_component(name: str, expected: str | None) -> None:
    assert component(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("transformer_forward", "transformer"),
        ("transformer_2", "transformer"),
        ("FluxPipeline/transformer", "transformer"),
        ("denoise_dit_forward", "transformer"),
        ("minimax_h3.dit", "transformer"),
        ("unet_forward", "unet"),
        ("unet #3", "unet"),
        ("UNet", "unet"),
        ("unet_traced", "unet"),
        ("pipe.unet.forward", "unet"),
        ("StableDiffusionPipeline::unet", "unet"),
        ("scheduler_step", "scheduler"),
        ("scheduler.step", "scheduler"),
        ("pipeline.scheduler.step", "scheduler"),
        ("vae_decode", "vae"),
        ("VAE_Decode", "vae"),
        ("VAE.encode", "vae"),
        ("VAE forward", "vae"),
        ("vae_encoding", "vae"),
        ("VAEDecode", "vae"),
        ("pipeline.vae.decode", "vae"),
        ("decode_latents", "vae"),
        ("decode_first_stage", "vae"),
        ("text_encoding", "text_encoder"),
        ("text_encoder_2", "text_encoder"),
        ("encode_prompt", "text_encoder"),
        ("StableDiffusionXLPipeline.encode_prompt", "text_encoder"),
        ("CLIPTextEncode", "text_encoder"),
        ("t5_encode", "text_encoder"),
        ("minimax_h3.text_encoding", "text_encoder"),
        ("clip_grad_norm_", None),
        ("transformer_blocks.0", None),
        ("unet.down_blocks.0", None),
        ("lr_scheduler.step", None),
        ("VAELoader", None),
        ("denoise", None),
        ("ProfilerStep#3", None),
        ("Optimizer.step#AdamW.step", None),
        ("DataParallel.forward", None),
    ],
)
def test_an_annotation_tells_the_component(name: str, expected: str | None) -> None:
    assert next((known for known, pattern in ANNOTATIONS if pattern.search(name)), None) == expected


def test_a_language_model_is_a_text_encoder_only_before_a_denoiser(tmp_path: Path) -> None:
    language = [host("nn.Module: Qwen2ForCausalLM_0", 0, 40, "python_function"), host("aten::mm", 5, 10)]
    denoiser = [host("nn.Module: FluxTransformer2DModel_0", 100, 40, "python_function")]
    alone = find_marked_components(written(tmp_path / "alone.json", language))
    assert not len(alone)
    both = find_marked_components(written(tmp_path / "both.json", language + denoiser))
    assert [both.names[code] for code in both.code.tolist()] == ["text_encoder", "transformer"]
    assert LANGUAGE_MODEL not in both.names
    captions = [host("nn.Module: Qwen2ForCausalLM_0", 200, 40, "python_function"), host("aten::mm", 205, 10)]
    after = find_marked_components(written(tmp_path / "after.json", denoiser + captions))
    assert [after.names[code] for code in after.code.tolist()] == ["transformer"]


@pytest.mark.parametrize("separator", ["/", "\\", "\\\\"])
def test_a_scheduler_is_known_by_its_file_on_any_system(separator: str) -> None:
    name = separator.join(["diffusers", "schedulers", "scheduling_ddim.py(123): step"])
    assert [known for known, pattern in FUNCTIONS if pattern.search(name)] == ["scheduler"]
