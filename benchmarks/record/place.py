"""Where scenes run, and how their networks are made there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """The GPU with full geometries, or the CPU with the smallest that work."""

    is_tiny: bool = False

    @property
    def device(self) -> str:
        return "cpu" if self.is_tiny else "cuda"

    @property
    def half(self) -> torch.dtype:
        """float16, which few CPUs can."""
        return torch.float32 if self.is_tiny else torch.float16

    def pick(self, full: T, tiny: T) -> T:
        return tiny if self.is_tiny else full

    def built(self, make: Callable[[], Any], dtype: torch.dtype = torch.bfloat16) -> Any:
        """A network with random weights, made on the device in its type."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(self.device):
                network = make()
        finally:
            torch.set_default_dtype(before)
        return network.to(self.device, dtype).eval().requires_grad_(False)

    def random(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.randn(*shape, device=self.device, dtype=dtype)

    def picture(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        """Values from 0 to 1."""
        return torch.rand(*shape, device=self.device, dtype=dtype)

    def compiled(self, network: Any, mode: str | None = None, *, dynamic: bool | None = False) -> Any:
        """The network compiled; where it is tiny, traced only."""
        if self.is_tiny:
            return torch.compile(network, backend="eager", dynamic=dynamic)
        return torch.compile(network, mode=mode, dynamic=dynamic)

    def sync(self) -> None:
        """Waits until the GPU has done everything."""
        if not self.is_tiny:
            torch.cuda.synchronize()


def channels_last(network: Any) -> Any:
    """A copy whose convolutions have their weights in this layout."""
    return copy.deepcopy(network).to(memory_format=torch.channels_last)
