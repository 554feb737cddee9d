"""Group normalization by channel, held to torch's own in double precision, eager and in a real UNet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._inductor import config
from torch._inductor.ir import ComputedBuffer

from sdtrace_collector import models
from sdtrace_collector.group_norm import GroupNormByChannel, normalize_by_channel

CPU = torch.device("cpu")


def normed(shape: tuple[int, ...], dtype: torch.dtype, offset: float) -> tuple[torch.Tensor, ...]:
    """By channel, by torch, and by torch in double precision."""
    torch.manual_seed(0)
    norm = nn.GroupNorm(8, shape[1]).to(dtype).requires_grad_(False)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    values = (torch.randn(shape) + offset).to(dtype)
    exact = nn.functional.group_norm(values.double(), 8, norm.weight.double(), norm.bias.double(), norm.eps)
    return GroupNormByChannel.of(norm)(values), norm(values), exact


def error(values: torch.Tensor, exact: torch.Tensor) -> float:
    return float((values.double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("shape", [(2, 64, 16, 16), (1, 32, 40), (3, 16, 2, 3, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_it_is_torchs_group_norm(shape: tuple[int, ...], dtype: torch.dtype, offset: float) -> None:
    mine, theirs, exact = normed(shape, dtype, offset)
    assert mine.dtype == theirs.dtype
    # In float32 the difference of mean squares costs digits, as its docstring says.
    lost = 1e-4 if offset else 1e-6
    assert error(mine, exact) <= error(theirs, exact) + (lost if dtype is torch.float32 else 1e-4)


def test_a_group_without_spread_becomes_its_shift() -> None:
    norm = nn.GroupNorm(4, 16).requires_grad_(False)
    nn.init.normal_(norm.bias)
    made = GroupNormByChannel.of(norm)(torch.full((2, 16, 8, 8), 3.0))
    assert torch.allclose(made, norm.bias.view(1, 16, 1, 1).expand(2, 16, 8, 8), atol=1e-3)


def test_channels_last_stays_channels_last() -> None:
    values = torch.randn(2, 16, 8, 8).to(memory_format=torch.channels_last)
    made = GroupNormByChannel.of(nn.GroupNorm(4, 16))(values)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_a_pipelines_networks_compute_the_same_with_the_same_parameters() -> None:
    pipe = models.load("tiny", torch.float32, CPU, seed=0).pipe
    names = list(dict(pipe.unet.named_parameters()))
    before = sum(type(module) is nn.GroupNorm for module in pipe.unet.modules())
    call = {
        "sample": torch.randn(2, 4, 32, 32),
        "timestep": torch.tensor(3),
        "encoder_hidden_states": torch.randn(2, 77, 64),
    }
    with torch.inference_mode():
        expected = pipe.unet(**call).sample
        normalize_by_channel(pipe.unet)
        made = pipe.unet(**call).sample
    assert sum(type(module) is GroupNormByChannel for module in pipe.unet.modules()) == before > 0
    assert list(dict(pipe.unet.named_parameters())) == names
    assert error(made, expected.double()) < 1e-5


def test_a_norm_without_parameters_stays_as_it_is() -> None:
    network = nn.Sequential(nn.GroupNorm(2, 8, affine=False), nn.GroupNorm(2, 8))
    normalize_by_channel(network)
    assert [type(module) for module in network] == [nn.GroupNorm, GroupNormByChannel]


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """How Inductor laid out each four-dimensional buffer that came of a concatenation, by its name.

    On a GPU it joins inside a kernel, on a CPU by copies unless forced to do as on a GPU.
    """
    found: dict[str, str] = {}
    decide = ComputedBuffer.decide_layout

    def watched(self: ComputedBuffer) -> None:
        decide(self)
        if len(self.get_size()) == 4 and any("cat" in origin.name for origin in self.origins):
            found[self.get_name()] = "NHWC" if self.get_stride()[1] == 1 else "NCHW"

    monkeypatch.setattr(ComputedBuffer, "decide_layout", watched)
    with config.patch(fx_graph_cache=False, force_pointwise_cat=True):
        yield found
    torch.compiler.reset()


class Joined(nn.Module):
    """What the up blocks of a UNet do: two convolutions' results, joined, normalized, convolved."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.norm, self.out = norm, nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([self.left(values).relu(), self.right(values).relu()], dim=1)
        result: torch.Tensor = self.out(nn.functional.silu(self.norm(joined)))
        return result


# torch 2.13 warns of its own use of torch.jit when its compiler is loaded.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("by_channel", [False, True])
def test_compiled_concatenations_keep_the_layout_of_what_they_join(
    layouts: dict[str, str], by_channel: bool
) -> None:
    norm = nn.GroupNorm(8, 32)
    network = Joined(GroupNormByChannel.of(norm) if by_channel else norm)
    network.eval().requires_grad_(False)
    for convolution in (network.left, network.right, network.out):
        convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last)
    network.compile()
    network(torch.randn(2, 16, 8, 8).to(memory_format=torch.channels_last))
    assert layouts
    assert ("NCHW" in layouts.values()) is not by_channel, "the first case shows what the second avoids"
