"""What is seen of pipelines that offload, carry adapters, are quantized or cached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from diffusers import FirstBlockCacheConfig
from peft import LoraConfig

from sdtrace_collector import profile_call
from sdtrace_collector.script.pipeline_facts import NetworkFacts, describe
from tests.collector.tiny_pipelines import TINY

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"
)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def native_attention() -> Iterator[None]:
    """diffusers keeps a backend that was set for all pipelines that are made later."""
    yield
    TINY["Flux"].make().transformer.set_attention_backend("native")


def networks(family: str, change: Callable[[Any], Any]) -> dict[str, NetworkFacts]:
    """The facts of a pipeline that was changed, after a call of it."""
    tiny = TINY[family]
    pipe = tiny.make()
    change(pipe)
    tiny.call(pipe)
    return describe(pipe).networks


def with_lora(network: Any) -> None:
    network.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"]), "mine")
    network.add_adapter(LoraConfig(r=2, target_modules=["to_k"]), "other")
    network.set_adapters(["mine"])


def quantized(pipe: Any) -> None:
    quantize: Any = torch.ao.quantization.quantize_dynamic
    pipe.transformer = quantize(pipe.transformer, {torch.nn.Linear}, dtype=torch.qint8)


def offloaded_one_by_one(pipe: Any) -> None:
    add_hook_to_module(pipe.unet.conv_in, AlignDevicesHook(execution_device="cpu", offload=True))


@pytest.mark.parametrize(
    ("family", "change", "name", "expected"),
    [
        ("text-to-image", lambda pipe: with_lora(pipe.unet), "unet", {"adapters": ["mine"]}),
        ("Flux", lambda pipe: with_lora(pipe.transformer), "transformer", {"adapters": ["mine"]}),
        (
            "text-to-image",
            lambda pipe: pipe.enable_model_cpu_offload(device="cpu"),
            "unet",
            {"offload": "model"},
        ),
        (
            "Flux",
            lambda pipe: pipe.transformer.enable_group_offload(CPU, CPU, offload_type="leaf_level"),
            "transformer",
            {"offload": "group"},
        ),
        (
            "Flux",
            lambda pipe: pipe.transformer.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32),
            "transformer",
            {"hooks": ["layerwise_casting"]},
        ),
        (
            "Flux",
            lambda pipe: pipe.transformer.enable_cache(FirstBlockCacheConfig(0.1)),
            "transformer",
            {"hooks": ["fbc_block_hook", "fbc_leader_block_hook"]},
        ),
        (
            "Flux",
            lambda pipe: pipe.transformer.set_attention_backend("_native_math"),
            "transformer",
            {"attention": ["FluxAttnProcessor", "_native_math"]},
        ),
        ("Flux", quantized, "transformer", {"quantization": ["Linear", "LinearPackedParams"]}),
        ("text-to-image", lambda pipe: pipe.vae.enable_tiling(), "vae", {"tiling": True}),
        (
            "text-to-image",
            lambda pipe: dispatch_model(pipe.unet, {"": "cpu"}, force_hooks=True),
            "unet",
            {"device_map": {"": "cpu"}},
        ),
    ],
)
def test_what_changes_speed_is_seen(
    family: str, change: Callable[[Any], Any], name: str, expected: dict[str, Any]
) -> None:
    seen = networks(family, change)
    assert {fact: getattr(seen[name], fact) for fact in expected} == expected
    others = [facts for other, facts in seen.items() if other != name]
    if expected != {"offload": "model"}:
        assert not any(
            facts.adapters or facts.offload or facts.hooks or facts.quantization for facts in others
        )


def test_a_pipeline_on_one_device_by_its_device_map_runs_as_it_would(tmp_path: Path) -> None:
    tiny = TINY["text-to-image"]
    pipe = tiny.make()
    pipe.save_pretrained(tmp_path)
    pipe = type(pipe).from_pretrained(tmp_path, device_map="cpu")
    assert pipe.hf_device_map == "cpu"
    analysis = profile_call(lambda: tiny.call(pipe), pipe, images=1, unprofiled=1, skip=0, peaks=False)
    assert analysis.report.run["pipelines"][0]["device_map"] == {"": "cpu"}


def test_weights_that_come_one_module_at_a_time_are_sequential_offload() -> None:
    pipe = TINY["text-to-image"].make()
    offloaded_one_by_one(pipe)
    assert describe(pipe).networks["unet"].offload == "sequential"


def test_an_offloaded_pipeline_is_reported_as_it_ran() -> None:
    tiny = TINY["text-to-image"]
    pipe = tiny.make()
    pipe.enable_model_cpu_offload(device="cpu")
    with_lora(pipe.unet)
    analysis = profile_call(lambda: tiny.call(pipe), pipe, images=2, unprofiled=1, skip=1, peaks=False)
    steps = analysis.steps.group_by("iteration", maintain_order=True).len()["len"].to_list()
    assert steps == [tiny.steps] * 2
    assert set(analysis.components["component"]) - {"other", "scheduler"} == tiny.parts
    unet = analysis.report.run["pipelines"][0]["networks"]["unet"]
    assert (unet["offload"], unet["adapters"]) == ("model", ["mine"])
