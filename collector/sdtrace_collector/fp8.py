"""Linear layers that multiply 8-bit floating-point numbers.

Weights are rounded once, with a scale for each output channel; activations in every call, with a scale for
each row. This needs no calibration, and one large value costs only its own row its digits.
"""

from __future__ import annotations

import math
from typing import Any, Final

import diffusers.models.activations
import torch
from torch import nn

from sdtrace_collector.errors import DoesNotApply

_DTYPE: Final = torch.float8_e4m3fn
_LARGEST: Final = 448.0
"""The largest number of float8_e4m3fn."""
_SMALLEST_SCALE: Final = 1e-12
_TWICE_ROOT: Final = 2 * math.sqrt(2 / math.pi)
_MULTIPLE: Final = 16
"""What the sizes of a product must be multiples of."""
_FEWEST_WEIGHTS: Final = 1 << 22
"""Of a layer that gains: on an H100, rounding the input of a smaller one takes what its product wins. Where
all are small, those of a third of the largest."""
_APART: Final = ("norm", "mod", "emb")
"""Parts of names: layers that see one row for each image. They cost little, and scale all that follows."""
_OF_THE_PROMPT: Final = ("attn2.to_k", "attn2.to_v", "attn2.to_kv")
"""What a UNet computes of the prompt: too few rows to gain."""


class Fp8Linear(nn.Module):
    """`nn.Linear` in bfloat16, its product in float8_e4m3fn with a scale for each row and output channel.

    The product adds in float32, and the result is bfloat16. It runs where torch's `_scaled_mm` takes scales
    for rows (compute capability 9.0 and newer); elsewhere the same rounded numbers are multiplied in float32.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        values, scale = rounded(linear.weight.detach())
        self.weight = nn.Parameter(values, requires_grad=False)
        self.weight_scale = nn.Parameter(scale.view(1, -1), requires_grad=False)
        self.bias = linear.bias
        self._is_direct = linear.weight.is_cuda

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - nn.Linear's own name for it
        """(*, in_features) to (*, out_features), as `nn.Linear`."""
        rows = input.reshape(-1, self.in_features)
        values, scale = rounded(rows)
        if self._is_direct:
            multiply: Any = torch._scaled_mm
            made = multiply(
                values,
                self.weight.t(),
                scale_a=scale,
                scale_b=self.weight_scale,
                bias=self.bias,
                out_dtype=torch.bfloat16,
                use_fast_accum=True,
            )
        else:
            made = (values.float() @ self.weight.float().t()) * scale * self.weight_scale
            made = (made if self.bias is None else made + self.bias).to(input.dtype)
        result: torch.Tensor = made.reshape(*input.shape[:-1], self.out_features)
        return result


def rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, K) in 8 bits and the scale of each row, (N, 1) in float32: their product is about `rows`."""
    largest = rows.abs().amax(dim=-1, keepdim=True).float()
    scale = (largest / _LARGEST).clamp_min(_SMALLEST_SCALE)
    return (rows.float() * scale.reciprocal()).to(_DTYPE), scale


def fast_gelu(input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name for it
    """GELU in its approximation by tanh, written with exp: the same function, and quicker in compiled code.

    x (1 + tanh u) / 2 = x / (1 + exp(-2u)), with u = sqrt(2 / pi) (x + 0.044715 x^3); computed in float32.
    """
    values = input.float()
    inner = _TWICE_ROOT * values * (1 + 0.044715 * values * values)
    return (values * torch.sigmoid(inner)).to(input.dtype)


class FastGelu(nn.Module):
    """`fast_gelu` in the place of `nn.GELU`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - nn.GELU's own name for it
        """Of any floating dtype."""
        return fast_gelu(input)


def quantize(denoiser: nn.Module) -> int:
    """Puts `Fp8Linear` in the place of the large linear layers of the denoiser's repeated blocks; how many.

    Raises:
        DoesNotApply: the GPU has no 8-bit matrix units that take scales for rows, or there is no such layer.
    """
    weight = next(denoiser.parameters())
    if weight.is_cuda and torch.cuda.get_device_capability(weight.device) < (9, 0):
        raise DoesNotApply("quantization=fp8 needs a GPU of compute capability 9.0 (Hopper) or newer")
    fitting = [
        (parent, name, child)
        for path, parent in _inside_blocks(denoiser)
        for name, child in parent.named_children()
        if type(child) is nn.Linear and _fits(f"{path}.{name}", child)
    ]
    if not fitting:
        raise DoesNotApply("quantization=fp8: this denoiser has no repeated blocks with linear layers")
    largest = max(linear.weight.numel() for _, _, linear in fitting)
    fewest = min(_FEWEST_WEIGHTS, largest // 3)
    found = [each for each in fitting if each[2].weight.numel() >= fewest]
    for parent, name, linear in found:
        setattr(parent, name, Fp8Linear(linear))
    for _, module in _inside_blocks(denoiser):
        _use_fast_gelu(module)
    return len(found)


def _use_fast_gelu(module: Any) -> None:
    """Rounding to 8 bits reads what GELU makes twice, and compiled code computes it twice instead."""
    for name, child in module.named_children():
        if isinstance(child, nn.GELU) and child.approximate == "tanh":
            setattr(module, name, FastGelu())
    if isinstance(module, diffusers.models.activations.GELU) and module.approximate == "tanh":
        vars(module)["gelu"] = fast_gelu


def _inside_blocks(denoiser: Any) -> list[tuple[str, nn.Module]]:
    """Every module inside a repeated block and its path there, the block itself with an empty one."""
    kinds = set(getattr(denoiser, "_repeated_blocks", None) or ())
    lists = {type(block).__name__ for block in getattr(denoiser, "transformer_blocks", ())}
    blocks = [module for module in denoiser.modules() if type(module).__name__ in (kinds or lists)]
    return [item for block in blocks for item in block.named_modules()]


def _fits(path: str, linear: nn.Linear) -> bool:
    sizes_fit = not (linear.in_features % _MULTIPLE or linear.out_features % _MULTIPLE)
    is_apart = any(part.startswith(word) or f"_{word}" in part for part in path.split(".") for word in _APART)
    return sizes_fit and not is_apart and not path.endswith(_OF_THE_PROMPT)
