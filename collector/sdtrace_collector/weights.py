"""Networks with random weights, made where they are used and in the dtype they are used in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import ModelMixin
from torch import nn


def random_network(make: Callable[[], nn.Module], dtype: torch.dtype, device: torch.device) -> nn.Module:
    """The network that `make` makes, with random weights.

    Weights are drawn in float32, one module after another, and rounded at once: a network takes no more
    memory than it has weights, and those of 16 bits are the rounded ones of float32. What the libraries keep
    in float32 stays so.
    """
    with _without_weights(), torch.device(device):
        network = make()
    kept = _kept_in_float32(network, dtype)
    made = _Made()
    for path, module in network.named_modules():
        stays = {name for name in module._parameters if any(each in f"{path}.{name}" for each in kept)}
        made.fill(module, dtype, device, stays)
        _round_buffers(module, dtype)
    return network


def _kept_in_float32(network: nn.Module, dtype: torch.dtype) -> tuple[str, ...]:
    """Parts of names; transformers has some for float16 alone."""
    always = getattr(network, "_keep_in_fp32_modules_strict", None) or ()
    often = getattr(network, "_keep_in_fp32_modules", None) or ()
    is_meant = isinstance(network, ModelMixin) or dtype == torch.float16
    return (*always, *(often if is_meant else ()))


@contextmanager
def _without_weights() -> Iterator[None]:
    """Parameters take no memory and no time; buffers are what they are."""
    register = nn.Module.register_parameter

    def registering(self: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(self, name, parameter)
        if parameter is not None and not parameter.is_meta:
            self._parameters[name] = nn.Parameter(parameter.to("meta"), parameter.requires_grad)

    methods: Any = nn.Module
    methods.register_parameter = registering
    try:
        yield
    finally:
        methods.register_parameter = register


class _Made:
    """What became of each parameter; one that several modules share stays one."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[nn.Parameter, nn.Parameter]] = {}

    def fill(self, module: nn.Module, dtype: torch.dtype, device: torch.device, stays: set[str]) -> None:
        """Gives a module its own parameters, in `dtype` or float32."""
        own = {name: value for name, value in module._parameters.items() if value is not None}
        new = [name for name, value in own.items() if id(value) not in self._by_id]
        for name in new:
            drawn = torch.empty(own[name].shape, dtype=torch.float32, device=device)
            module._parameters[name] = nn.Parameter(_drawn(name, drawn))
        reset: Any = getattr(module, "reset_parameters", None)
        if new and reset is not None:
            reset()
        for name in new:
            value: Any = module._parameters[name]
            rounded = nn.Parameter(value.detach().to(torch.float32 if name in stays else dtype))
            self._by_id[id(own[name])] = own[name], rounded
        for name, before in own.items():
            module._parameters[name] = self._by_id[id(before)][1]


def _drawn(name: str, values: torch.Tensor) -> torch.Tensor:
    """For modules that do not say how theirs begin: ones for scales, zeros for shifts, else small numbers."""
    if name in ("bias", "beta"):
        return values.zero_()
    if name == "gamma" or (name == "weight" and values.dim() == 1):
        return values.fill_(1)
    return values.normal_(std=0.02)


def _round_buffers(module: nn.Module, dtype: torch.dtype) -> None:
    """Those that a file of weights would hold; what a network computes for itself stays as it is."""
    for name, value in module._buffers.items():
        if name not in module._non_persistent_buffers_set and value is not None and value.is_floating_point():
            module._buffers[name] = value.to(dtype)
