"""Loops of steps between which Python works, garbage is collected or memory is given back.

Their traces hold the calls of Python. So what Python does here makes few calls: with one for every word a
trace had 9 MB.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Final

import diffusers
import torch
from benchmarks.record.made import Made
from benchmarks.record.place import Place
from torch import nn

_VOCABULARY: Final = {f"w{number}": number for number in range(977)}
_LINE: Final = [f"w{number * 31 % 977}" for number in range(800)]


def _made(
    at: Place,
    call: Callable[[int], Any],
    steps: int,
    between: dict[str, Callable[[], Any]],
    objects: int = 400_000,
) -> Made:
    """An image of so many steps; after each of them a setting does what it is about.

    So many objects are there for a collection to look at.
    """
    heap = [[number] for number in range(at.pick(objects, 1000))]

    def runs(work: Callable[[], Any] | None) -> Callable[[], Any]:
        @torch.no_grad()
        def run() -> Any:
            assert heap
            out = None
            for step in range(steps):
                out = call(step)
                if work is not None:
                    work()
            return out

        return run

    made = {"base": runs(None), **{name: runs(work) for name, work in between.items()}}
    return Made(made, images=3, unrecorded=2, has_stacks=True)


def _numbers(line: list[str]) -> list[int]:
    return [_VOCABULARY[word] for word in line]


def _tokens(lines: int) -> Callable[[], Any]:
    return lambda: [_numbers(_LINE) for _ in range(lines)]


def _row(y: int) -> list[int]:
    return [(x * 31 + y * 17) % 255 for x in range(240)]


def _rows(count: int) -> Callable[[], Any]:
    return lambda: [_row(y) for y in range(count)]


def _primes(below: int) -> Callable[[], Any]:
    def primes() -> list[int]:
        found: list[int] = []
        for number in range(2, below):
            for each in found:
                if each * each > number:
                    found += [number]
                    break
                if number % each == 0:
                    break
            else:
                found += [number]
        return found

    return primes


def _collects(at: Place) -> Callable[[], Any]:
    """Of all objects; on a CPU only of the young ones, as there are many of libraries."""
    return (lambda: gc.collect(0)) if at.is_tiny else gc.collect


def _gives_back(at: Place) -> Callable[[], Any]:
    return (lambda: None) if at.is_tiny else torch.cuda.empty_cache


def lconv(at: Place) -> Made:
    net = at.built(
        lambda: diffusers.UNet2DModel(
            in_channels=4,
            out_channels=4,
            block_out_channels=at.pick((64, 128), (32, 32)),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            norm_num_groups=32,
        )
    )
    side = at.pick(64, 16)
    latents = at.random(4, 4, side, side)
    between = {"python": _tokens(60), "gc": _collects(at), "memory": _gives_back(at)}
    return _made(at, lambda step: net(latents, torch.tensor(step * 100, device=at.device)).sample, 5, between)


def lblocks(at: Place) -> Made:
    def make() -> nn.Module:
        layer = nn.TransformerEncoderLayer(
            *at.pick((1024, 16, 4096), (32, 2, 64)), batch_first=True, dropout=0.0
        )
        return nn.TransformerEncoder(layer, at.pick(10, 2), enable_nested_tensor=False)

    net = at.built(make, at.half)
    batch, words, width = at.pick((8, 512, 1024), (1, 32, 32))
    text = at.random(batch, words, width, dtype=at.half)
    mask = torch.zeros(words, words, device=at.device, dtype=at.half)
    return _made(at, lambda _: net(text, mask=mask), 4, {"python": _rows(200), "gc": _collects(at)})


def lbig(at: Place) -> Made:
    width = at.pick(192, 16)
    net = at.built(
        lambda: nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(16, width), nn.SiLU())
                for _ in range(12)
            )
        ),
        at.half,
    )
    batch, side = at.pick((8, 128), (1, 16))
    picture = at.random(batch, width, side, side, dtype=at.half)
    return _made(at, lambda _: net(picture), 5, {"python": _primes(9000), "memory": _gives_back(at)})


def llin(at: Place) -> Made:
    width = at.pick(512, 32)
    net = at.built(lambda: nn.ModuleList(nn.Linear(width, width) for _ in range(24)), torch.float32)
    rows = at.random(64, width, dtype=torch.float32)

    def call(_: int) -> torch.Tensor:
        x = rows
        for layer in net:
            x = torch.tanh(layer(x)) + rows
        return x

    return _made(at, call, 6, {"python": _tokens(30), "gc": _collects(at)})


def _all(at: Place, python: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    return {"python": python, "gc": _collects(at), "memory": _gives_back(at)}


def _fields(count: int) -> Callable[[], Any]:
    return lambda: [sum(y * 7 % 13 for y in range(400)) for _ in range(count)]


def lenc(at: Place) -> Made:
    """An encoder of texts."""

    def make() -> nn.Module:
        layer = nn.TransformerEncoderLayer(
            *at.pick((512, 8, 2048), (32, 2, 64)), batch_first=True, dropout=0.0
        )
        return nn.TransformerEncoder(layer, at.pick(6, 2), enable_nested_tensor=False)

    net = at.built(make)
    batch, words, width = at.pick((16, 128, 512), (1, 8, 32))
    text = at.random(batch, words, width)
    mask = torch.zeros(words, words, device=at.device, dtype=torch.bfloat16)
    return _made(at, lambda _: net(text, mask=mask), 5, _all(at, _tokens(50)), 60_000)


def lmix(at: Place) -> Made:
    """Two layers in turn, over patches and over channels."""
    patches, width = at.pick((256, 768), (16, 32))

    def make() -> nn.Module:
        return nn.ModuleList(
            nn.ModuleList([nn.LayerNorm(width), nn.Linear(patches, patches), nn.Linear(width, width)])
            for _ in range(12)
        )

    net = at.built(make, at.half)
    x0 = at.random(at.pick(16, 1), patches, width, dtype=at.half)

    def call(_: int) -> torch.Tensor:
        x = x0
        for norm, across, along in net:
            x = x + across(norm(x).transpose(1, 2)).transpose(1, 2)
            x = x + nn.functional.gelu(along(x))
        return x

    return _made(at, call, 6, _all(at, _fields(60)), 100_000)


def lup(at: Place) -> Made:
    """Pictures that are enlarged."""
    width = at.pick(128, 16)
    net = at.built(
        lambda: nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(), nn.Upsample(scale_factor=2)
                )
                for _ in range(4)
            )
        )
    )
    picture = at.random(at.pick(4, 1), width, at.pick(32, 4), at.pick(32, 4))
    return _made(at, lambda _: net(picture), 5, _all(at, _rows(150)), 150_000)


def lrnn(at: Place) -> Made:
    """A recurrent network, step by step."""
    width = at.pick(512, 32)
    net = at.built(lambda: nn.GRUCell(width, width), torch.float32)
    rows = at.random(at.pick(32, 2), width, dtype=torch.float32)

    def call(_: int) -> torch.Tensor:
        x = rows
        for _ in range(30):
            x = net(rows, x)
        return x

    return _made(at, call, 5, _all(at, _tokens(25)), 40_000)


def lcode(at: Place) -> Made:
    """An autoencoder of pictures."""
    width = at.pick(64, 8)

    def make() -> nn.Module:
        down = [
            nn.Sequential(nn.Conv2d(width, width, 4, 2, 1), nn.BatchNorm2d(width), nn.SiLU())
            for _ in range(4)
        ]
        up = [
            nn.Sequential(nn.ConvTranspose2d(width, width, 4, 2, 1), nn.BatchNorm2d(width), nn.SiLU())
            for _ in range(4)
        ]
        return nn.Sequential(*down, *up)

    net = at.built(make)
    picture = at.random(at.pick(16, 1), width, at.pick(256, 32), at.pick(256, 32))
    return _made(at, lambda _: net(picture), 6, _all(at, _primes(4000)), 200_000)


def gwide(at: Place) -> Made:
    """Few layers of many channels."""
    width = at.pick(2048, 32)
    net = at.built(lambda: nn.ModuleList(nn.Linear(width, width) for _ in range(8)))
    rows = at.random(at.pick(1024, 4), width)

    def call(_: int) -> torch.Tensor:
        x = rows
        for layer in net:
            x = nn.functional.silu(layer(x))
        return x

    return _made(at, call, 4, _all(at, _rows(100)), 120_000)


def gnorms(at: Place) -> Made:
    """Many small ops."""
    width = at.pick(256, 32)
    rows, weight = at.random(at.pick(64, 2), width), at.random(width)

    def call(_: int) -> torch.Tensor:
        x = rows
        for _ in range(40):
            x = nn.functional.layer_norm(x, (width,), weight) * 0.5 + rows
        return x

    return _made(at, call, 5, _all(at, _tokens(40)), 250_000)


def gpool(at: Place) -> Made:
    """Convolutions and poolings."""
    width = at.pick(96, 8)

    def stage() -> nn.Module:
        return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))

    net = at.built(lambda: nn.Sequential(*(stage() for _ in range(5))), at.half)
    picture = at.random(at.pick(8, 1), width, at.pick(224, 64), at.pick(224, 64), dtype=at.half)
    return _made(at, lambda _: net(picture), 6, _all(at, _fields(50)), 80_000)


def gattn(at: Place) -> Made:
    """Attention alone."""
    heads, words, width = at.pick((16, 1024, 64), (2, 16, 8))
    rows = at.random(at.pick(4, 1), heads, words, width)

    def call(_: int) -> torch.Tensor:
        x = rows
        for _ in range(12):
            x = nn.functional.scaled_dot_product_attention(x, rows, rows) + x
        return x

    return _made(at, call, 4, _all(at, _primes(5000)), 180_000)


def glong(at: Place) -> Made:
    """A language model's block, ten times."""

    def make() -> nn.Module:
        layer = nn.TransformerDecoderLayer(
            *at.pick((768, 12, 3072), (32, 2, 64)), batch_first=True, dropout=0.0
        )
        return nn.TransformerDecoder(layer, at.pick(5, 1))

    net = at.built(make, at.half)
    batch, words, width = at.pick((4, 256, 768), (1, 8, 32))
    text = at.random(batch, words, width, dtype=at.half)
    return _made(at, lambda _: net(text, text), 4, _all(at, _tokens(60)), 60_000)
