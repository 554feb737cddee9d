"""Linear layers that multiply 8-bit floating-point numbers.

Weights are rounded once, with a scale for each output channel; activations in every call, with a scale for
each row. This needs no calibration, and one large value costs only its own row its digits.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn

from sdtrace_collector.errors import VariantFailed

_DTYPE: Final = torch.float8_e4m3fn
_LARGEST: Final = 448.0
"""The largest number of float8_e4m3fn."""
_SMALLEST_SCALE: Final = 1e-12
_MULTIPLE: Final = 16
"""What the sizes of a product must be multiples of."""
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
    return (rows.float() / scale).clamp(-_LARGEST, _LARGEST).to(_DTYPE), scale


def quantize(denoiser: nn.Module) -> int:
    """Puts `Fp8Linear` in the place of the large linear layers of the denoiser's repeated blocks; how many.

    Raises:
        VariantFailed: the GPU has no 8-bit matrix units that take scales for rows, or there is no such layer.
    """
    weight = next(denoiser.parameters())
    if weight.is_cuda and torch.cuda.get_device_capability(weight.device) < (9, 0):
        raise VariantFailed("quantization=fp8 needs a GPU of compute capability 9.0 (Hopper) or newer")
    found = [
        (parent, name, child)
        for path, parent in _inside_blocks(denoiser)
        for name, child in parent.named_children()
        if type(child) is nn.Linear and _gains(f"{path}.{name}", child)
    ]
    if not found:
        raise VariantFailed("quantization=fp8: this denoiser has no repeated blocks with linear layers")
    for parent, name, linear in found:
        setattr(parent, name, Fp8Linear(linear))
    return len(found)


def _inside_blocks(denoiser: Any) -> list[tuple[str, nn.Module]]:
    """Every module inside a repeated block and its path there, the block itself with an empty one."""
    kinds = set(getattr(denoiser, "_repeated_blocks", None) or ())
    lists = {type(block).__name__ for block in getattr(denoiser, "transformer_blocks", ())}
    blocks = [module for module in denoiser.modules() if type(module).__name__ in (kinds or lists)]
    return [item for block in blocks for item in block.named_modules()]


def _gains(path: str, linear: nn.Linear) -> bool:
    sizes_fit = not (linear.in_features % _MULTIPLE or linear.out_features % _MULTIPLE)
    is_apart = any(part.startswith(word) or f"_{word}" in part for part in path.split(".") for word in _APART)
    return sizes_fit and not is_apart and not path.endswith(_OF_THE_PROMPT)
