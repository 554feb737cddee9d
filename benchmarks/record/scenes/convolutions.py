"""Networks of convolutions and batch norms that tell parts of pictures apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from benchmarks.record.made import Made
from benchmarks.record.place import Place, channels_last
from torch import nn
from torch.nn import functional


class _Residual(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.skip = nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.silu(self.norm(self.first(x)))
        return functional.silu(self.norm2(self.second(y)) + self.skip(x))


class Segments(nn.Module):
    """Residual blocks down, and up again beside them."""

    def __init__(self, widths: Sequence[int], layers: int = 2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        down, up = [], []
        for place, width in enumerate(widths):
            blocks = [_Residual(widths[max(0, place - 1)], width, 1 if place == 0 else 2)]
            blocks += [_Residual(width, width) for _ in range(layers - 1)]
            down.append(nn.Sequential(*blocks))
        for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up.append(nn.Sequential(_Residual(wide + narrow, narrow), _Residual(narrow, narrow)))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.head = nn.Conv2d(widths[0], 21, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        seen = []
        for block in self.down:
            x = block(x)
            seen.append(x)
        for block, beside in zip(self.up, seen[-2::-1], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = block(torch.cat([x, beside], 1))
        return functional.interpolate(self.head(x), scale_factor=2.0, mode="bilinear")


def seg(at: Place) -> Made:
    """In 16 bits: convolutions, batch norms, upsampling."""
    net = at.built(lambda: Segments(at.pick((64, 128, 256, 512), (8, 8, 8, 8))))
    batch, size = at.pick((40, 512), (1, 32))
    pictures = at.picture(batch, 3, size, size)

    def runs(one: Any, *, asks: bool = False) -> Callable[[], Any]:
        @torch.no_grad()
        def run() -> torch.Tensor:
            out: torch.Tensor = one(pictures - 0.5)
            if asks:
                out.float().mean().item()
                out.float().amax().item()
            return out.argmax(1).to(torch.uint8).cpu()

        return run

    made = {"base": runs(net), "compile": runs(at.compiled(net)), "item": runs(net, asks=True)}
    return Made(made, unrecorded=1)


def depth(at: Place) -> Made:
    """For single small pictures: many weights, little work."""
    net = at.built(lambda: Segments(at.pick((128, 256, 512, 1024), (8, 8, 8, 8)), layers=3))
    size = at.pick(128, 32)

    def runs(one: Any) -> Callable[[], Any]:
        @torch.no_grad()
        def run() -> torch.Tensor:
            shown = [one(at.picture(1, 3, size, size) - 0.5 * turn) for turn in range(at.pick(16, 4))]
            return torch.cat(shown).float().cpu()

        return run

    def graphed(picture: torch.Tensor) -> torch.Tensor:
        """What graphs write is copied before the next replay."""
        if not at.is_tiny:
            marks_step()
        out: torch.Tensor = replayed(picture)
        return out.clone()

    replayed = at.compiled(net, "reduce-overhead")
    marks_step: Callable[[], None] = torch.compiler.cudagraph_mark_step_begin
    made = {
        "base": runs(net),
        "compile": runs(at.compiled(net)),
        "last_compile": runs(at.compiled(channels_last(net))),
        "graphs": runs(graphed),
    }
    return Made(made, unrecorded=1)
