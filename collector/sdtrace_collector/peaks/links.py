"""How fast the device copies to and from the host, and other devices."""

from __future__ import annotations

from typing import Final

import torch

from sdtrace_collector.peaks.clock import fastest_s

_BYTES: Final = 128 << 20
_CALLS: Final = 4


def host_rate(device: torch.device) -> float:
    """Bytes per second of copies from or to pinned memory of the host, in the faster direction."""
    host = torch.empty(_BYTES, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(_BYTES, dtype=torch.uint8, device=device)
    up = fastest_s(lambda: there.copy_(host, non_blocking=True), device, _CALLS)
    down = fastest_s(lambda: host.copy_(there, non_blocking=True), device, _CALLS)
    return _BYTES / min(up, down)


def peer_rate(device: torch.device) -> float | None:
    """Bytes per second of copies to another device, the fastest of all; None where there is no other."""
    here = torch.empty(_BYTES, dtype=torch.uint8, device=device)
    others = [index for index in range(torch.cuda.device_count()) if index != here.get_device()]
    return max((_copy_rate(here, torch.device("cuda", index)) for index in others), default=None)


def _copy_rate(here: torch.Tensor, other: torch.device) -> float:
    there = torch.empty(_BYTES, dtype=torch.uint8, device=other)
    return _BYTES / fastest_s(lambda: there.copy_(here, non_blocking=True), here.device, _CALLS)
