"""How fast the device multiplies matrices of each type."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch

from sdtrace_collector.peaks.clock import Work, fastest_s

_PLAIN: Final = {
    "float64": torch.float64,
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
TYPES: Final = {"cpu": ("float32", "bfloat16"), "cuda": (*_PLAIN, "float8", "int8")}
"""What is measured, by type of device."""
_TRANSPOSED_ONLY: Final = ("float8", "int8")
"""Products that cuBLAS has for a transposed second matrix only, on some cards."""


class _Sizes(NamedTuple):
    """Square matrices that are tried, the smallest first, and how long one product may take."""

    rows: tuple[int, ...]
    longest_s: float
    calls: int


_SIZES: Final = {
    "cpu": _Sizes((256, 512), 0.02, 3),
    "cuda": _Sizes((1024, 2048, 4096, 8192), 0.012, 10),
}


def product_rate(name: str, device: torch.device, free_bytes: int) -> float:
    """Floating-point (integer) operations per second of the fastest product found.

    Of the sizes that are short enough the two largest are tried, with the second matrix as it is and
    transposed: none of them is the fastest on every card.

    Raises:
        RuntimeError, AttributeError, TypeError, ValueError: this card or this torch has no such product.
    """
    sizes = _SIZES[device.type]
    smallest = sizes.rows[0]
    with torch.no_grad(), _tf32(name == "tf32"):
        probe_s = fastest_s(_product(name, smallest, device, True), device, sizes.calls)
        rows = [
            n
            for n in sizes.rows
            if probe_s * (n / smallest) ** 3 <= sizes.longest_s and 64 * n * n <= free_bytes
        ]
        best = 2 * smallest**3 / probe_s
        for n in rows[-2:]:
            for transposed in (True, False):
                if transposed or name not in _TRANSPOSED_ONLY:
                    work = _product(name, n, device, transposed)
                    best = max(best, 2 * n**3 / fastest_s(work, device, sizes.calls))
        return best


def warm_up(device: torch.device, seconds: float = 0.3) -> None:
    """Multiplies for so long that the device is at its working clock."""
    name, n = ("float16", 4096) if device.type == "cuda" else ("float32", 256)
    work = _product(name, n, device, False)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        fastest_s(work, device, 20)


def _product(name: str, n: int, device: torch.device, transposed: bool) -> Work:
    """A product of two matrices of `n` rows; the values are normal: predictable ones draw less power."""
    left, right = (torch.randn(n, n, device=device) for _ in range(2))
    if name == "int8":
        return _int8_product(left, right)
    if name == "float8":
        return _float8_product(left, right)
    left, right = (each.to(_PLAIN[name]) for each in (left, right))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, _second(right, transposed), out=out)


def _int8_product(left: torch.Tensor, right: torch.Tensor) -> Work:
    left8, right8 = left.mul_(50).to(torch.int8), right.mul_(50).to(torch.int8).t()
    return lambda: torch._int_mm(left8, right8)


def _float8_product(left: torch.Tensor, right: torch.Tensor) -> Work:
    """With one scale for each matrix, and the fast accumulation that inference uses."""
    dtype = (
        torch.float8_e4m3fnuz
        if torch.version.hip and "gfx94" in _architecture(left.device)
        else torch.float8_e4m3fn
    )
    left8, right8 = left.to(dtype), right.to(dtype).t()
    scale = torch.ones((), device=left.device)
    return lambda: torch._scaled_mm(
        left8, right8, scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16, use_fast_accum=True
    )


def _architecture(device: torch.device) -> str:
    return str(getattr(torch.cuda.get_device_properties(device), "gcnArchName", ""))


def _second(matrix: torch.Tensor, transposed: bool) -> torch.Tensor:
    return matrix.t() if transposed else matrix


@contextmanager
def _tf32(on: bool) -> Iterator[None]:
    """Products of float32 on tensor cores or not; afterwards as it was."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if on else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
