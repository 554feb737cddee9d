"""The device that a user names, and waiting for those in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sdtrace_collector.errors import SetupFailed


def device_of(wanted: str | None) -> torch.device:
    """The device so named; without a name the GPU, else the CPU.

    Raises:
        SetupFailed: it does not exist here.
    """
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise SetupFailed(f"--device {wanted}: not a device; choose cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SetupFailed(f"--device {wanted}: only cpu and cuda can be profiled; choose cpu, cuda or cuda:N")
    if device.type == "cuda":
        _check_cuda(wanted, device)
    return device


def gpus_in_use() -> list[int]:
    """The indices of the CUDA devices that this process uses; none is woken by asking."""
    cuda: Any = torch.cuda
    if not cuda.is_initialized():
        return []
    is_used: Callable[[int], bool] = getattr(torch._C, "_cuda_hasPrimaryContext", lambda _: True)
    return [index for index in range(cuda.device_count()) if is_used(index)]


def wait_for_devices() -> None:
    """Returns once every GPU that this process uses has no work left; wakes none that it does not use."""
    for index in gpus_in_use():
        torch.cuda.synchronize(index)
    xpu: Any = getattr(torch, "xpu", None)
    if xpu is not None and xpu.is_initialized():
        xpu.synchronize()


def _check_cuda(wanted: str, device: torch.device) -> None:
    if not torch.cuda.is_available():
        why = (
            "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
        )
        raise SetupFailed(f"--device {wanted}: {why}; run `sdtrace doctor`, or use --device cpu")
    if (device.index or 0) >= torch.cuda.device_count():
        raise SetupFailed(
            f"--device {wanted}: there are {torch.cuda.device_count()} GPUs, counted from cuda:0"
        )
    torch.cuda.set_device(device)
