"""What can be seen of a pipeline from outside: its networks, and whatever changes how fast they run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sdtrace_collector.parts import class_name, networks_of, pipelines_in, role_of, schedulers_of

_QUANTIZED: Final = re.compile(r"quant|bitsandbytes|\bfp8\b")
"""Where classes of layers come from that hold fewer bits."""
_PLAIN: Final = ("Tensor", "Parameter", "UninitializedParameter")


class NetworkFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network. `range` is its name in the trace; dtypes and devices are of its parameters, most used first.

    `quantization` names the method and the kinds of tensors and layers; `compiled` is `whole` or the classes
    of the blocks that were compiled; `attention` are its processors and the backend set for them; `adapters`
    are those that are active; `offload` and `hooks` are what moves its weights or skips its work.
    """

    class_name: str = msgspec.field(name="class")
    range: str
    parameters: int
    dtypes: list[str]
    devices: list[str]
    channels_last: bool = False
    quantization: list[str] = []
    compiled: str = ""
    attention: list[str] = []
    adapters: list[str] = []
    offload: str = ""
    hooks: list[str] = []
    device_map: dict[str, str] = {}
    tiling: bool = False
    slicing: bool = False


class PipelineFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pipeline; `model` is where its weights came from, '' where they came from nowhere."""

    class_name: str = msgspec.field(name="class")
    model: str
    networks: dict[str, NetworkFacts]
    schedulers: dict[str, str]
    device_map: dict[str, str] = {}


def describe(pipe: Any) -> PipelineFacts:
    """The facts of a pipeline, of those it calls too; for a plain module those of the module."""
    pipes = (*pipelines_in(pipe), pipe)
    networks = {name: part for each in pipes for name, part in networks_of(each).items()}
    if not networks and hasattr(pipe, "parameters"):
        networks = {"module": pipe}
    schedulers = {name: part for each in pipes for name, part in schedulers_of(each).items()}
    return PipelineFacts(
        class_name=class_name(pipe),
        model=_origin(pipe),
        networks={name: _network(name, part) for name, part in networks.items()},
        schedulers={name: type(part).__name__ for name, part in schedulers.items()},
        device_map=_device_map(pipe),
    )


def _origin(pipe: Any) -> str:
    """A folder or a hub id."""
    origin = getattr(getattr(pipe, "config", None), "_name_or_path", None)
    return str(origin or getattr(pipe, "_pretrained_model_name_or_path", None) or "")


def _network(name: str, network: Any) -> NetworkFacts:
    parameters = list(network.parameters())
    return NetworkFacts(
        class_name=class_name(network),
        range=role_of(name, network),
        parameters=sum(each.numel() for each in parameters),
        dtypes=_most_used(str(each.dtype).removeprefix("torch.") for each in parameters),
        devices=_most_used(str(each.device) for each in parameters),
        channels_last=any(_is_channels_last(each) for each in parameters),
        quantization=_quantization(network, parameters),
        compiled=_compiled(network),
        attention=_attention(network),
        adapters=_adapters(network),
        offload=_offload(network),
        hooks=_hooks(network),
        device_map=_device_map(network),
        tiling=bool(getattr(network, "use_tiling", False)),
        slicing=bool(getattr(network, "use_slicing", False)),
    )


def _device_map(whole: Any) -> dict[str, str]:
    """Where accelerate put the parts of a pipeline or a network; a pipeline's may be one word."""
    placed = getattr(whole, "hf_device_map", None) or {}
    if not isinstance(placed, dict):
        placed = {"": placed}
    return {str(name): str(where) for name, where in placed.items()}


def _most_used(values: Iterator[str]) -> list[str]:
    return [value for value, _ in Counter(values).most_common()]


def _is_channels_last(parameter: Any) -> bool:
    """By the strides: asking torch would be an op in the trace."""
    if parameter.dim() != 4 or parameter.shape[1] == 1:
        return False
    return bool(parameter.stride()[1] == 1 and parameter.shape[2] * parameter.shape[3] > 1)


def _quantization(network: Any, parameters: list[Any]) -> list[str]:
    config = getattr(getattr(network, "config", None), "quantization_config", None)
    method = config.get("quant_method") if isinstance(config, dict) else getattr(config, "quant_method", None)
    kinds = {type(held).__name__ for each in parameters for held in (each, each.data)}
    found = [str(getattr(method, "value", method))] if method else []
    packed = {type(part) for part in network.modules() if _QUANTIZED.search(type(part).__module__)}
    return found + sorted((kinds | {part.__name__ for part in packed}) - set(_PLAIN))


def _compiled(network: Any) -> str:
    if hasattr(network, "_orig_mod") or network._compiled_call_impl is not None:
        return "whole"
    inside = (part for part in network.modules() if part is not network)
    kinds = {class_name(part) for part in inside if part._compiled_call_impl or hasattr(part, "_orig_mod")}
    return ", ".join(sorted(kinds))


def _attention(network: Any) -> list[str]:
    processors = getattr(network, "attn_processors", None)
    if not isinstance(processors, dict):
        implementation = getattr(getattr(network, "config", None), "_attn_implementation", None)
        return [str(implementation)] if implementation else []
    kinds = {type(each).__name__ for each in processors.values()}
    backends = {getattr(each, "_attention_backend", None) for each in processors.values()} - {None}
    return sorted(kinds) + sorted(str(getattr(each, "value", each)) for each in backends)


def _adapters(network: Any) -> list[str]:
    """Active adapters (LoRA and others), and those that came with images."""
    loaded = list(getattr(network, "peft_config", None) or ())
    if loaded and callable(getattr(network, "active_adapters", None)):
        try:
            loaded = list(network.active_adapters())
        except ValueError:  # none is active
            loaded = []
    projection = getattr(network, "encoder_hid_proj", None)
    return loaded + (["ip_adapter"] if hasattr(projection, "image_projection_layers") else [])


def _offload(network: Any) -> str:
    """What accelerate or diffusers does with the weights between calls: `model`, `sequential` or `group`."""
    if "group_offloading" in _hooks(network):
        return "group"
    for part in network.modules():
        hook = getattr(part, "_hf_hook", None)
        for each in getattr(hook, "hooks", (hook,)):
            if type(each).__name__ == "CpuOffload":
                return "model"
            if getattr(each, "offload", False):
                return "sequential"
    return ""


def _hooks(network: Any) -> list[str]:
    """diffusers' own hooks anywhere in the network: group offload, caches, layerwise casting."""
    registries = (getattr(part, "_diffusers_hook", None) for part in network.modules())
    return sorted({str(name) for registry in registries if registry for name in registry.hooks})
