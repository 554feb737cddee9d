"""Linear layers in 8 bits, held to those in float32: alone, and in the blocks of real denoisers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from sdtrace_collector import fp8, models
from sdtrace_collector.errors import VariantFailed
from sdtrace_collector.fp8 import Fp8Linear, fast_gelu, quantize, rounded

CPU = torch.device("cpu")


def error(values: torch.Tensor, exact: torch.Tensor) -> float:
    return float((values.double() - exact.double()).norm() / exact.double().norm())


def quantized(denoiser: nn.Module) -> list[str]:
    return [path for path, module in denoiser.named_modules() if isinstance(module, Fp8Linear)]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_rows_are_rounded_to_three_bits_of_fraction(scale: float) -> None:
    torch.manual_seed(0)
    rows = torch.randn(64, 256, dtype=torch.bfloat16) * scale
    values, factor = rounded(rows)
    assert values.dtype == torch.float8_e4m3fn
    back = values.float() * factor
    assert error(back, rows) < 0.03
    assert back.isfinite().all()
    assert torch.allclose(back.abs().amax(-1), rows.float().abs().amax(-1), rtol=1e-3)


def test_a_large_value_costs_only_its_own_row() -> None:
    torch.manual_seed(0)
    rows = torch.randn(2, 256)
    rows[0, 0] = 1e5
    values, factor = rounded(rows)
    assert error((values.float() * factor)[1], rows[1]) < 0.03


def test_a_row_of_zeros_stays_zero() -> None:
    values, factor = rounded(torch.zeros(1, 32))
    assert torch.equal(values.float() * factor, torch.zeros(1, 32))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(4, 256), (2, 3, 256)])
def test_the_product_is_that_of_the_layer_but_for_its_rounding(bias: bool, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(256, 128, bias=bias).to(torch.bfloat16).requires_grad_(False)
    values = torch.randn(shape, dtype=torch.bfloat16)
    made, exact = Fp8Linear(linear)(values), linear.float()(values.float())
    assert made.shape == (*shape[:-1], 128)
    assert made.dtype == torch.bfloat16
    assert 0.001 < error(made, exact) < 0.05


def test_gelu_by_exp_is_gelu_by_tanh() -> None:
    values = torch.linspace(-12, 12, 4001)
    exact = nn.functional.gelu(values.double(), approximate="tanh")
    assert torch.allclose(fast_gelu(values).double(), exact, atol=1e-6)


def test_a_transformers_blocks_are_quantized_and_what_scales_them_is_not() -> None:
    transformer: Any = models.load("flux-tiny", torch.bfloat16, CPU, seed=0).pipe.transformer
    count = quantize(transformer)
    paths = quantized(transformer)
    assert len(paths) == count > 0
    assert all("transformer_blocks" in path and "norm" not in path for path in paths)
    assert any(path.endswith("ff.net.0.proj") for path in paths)
    assert any(path.endswith("single_transformer_blocks.1.proj_out") for path in paths)
    gelus = [module for module in transformer.modules() if isinstance(module, nn.GELU)]
    assert gelus == []


def test_a_unets_small_layers_and_those_of_the_prompt_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp8, "_FEWEST_WEIGHTS", 1)
    unet: Any = models.load("tiny", torch.bfloat16, CPU, seed=0).pipe.unet
    quantize(unet)
    paths = quantized(unet)
    assert any(path.endswith("attn1.to_q") for path in paths)
    assert not any(path.endswith(("attn2.to_k", "attn2.to_v")) for path in paths)
    assert type(unet.time_embedding.linear_1) is nn.Linear
    monkeypatch.undo()
    other: Any = models.load("tiny", torch.bfloat16, CPU, seed=0).pipe.unet
    quantize(other)
    assert 0 < len(quantized(other)) < len(paths)
    assert not any(path.endswith("attn1.to_q") for path in quantized(other))


def test_a_denoiser_without_blocks_is_refused() -> None:
    with pytest.raises(VariantFailed, match="no repeated blocks"):
        quantize(nn.Sequential(nn.Linear(32, 32)))
