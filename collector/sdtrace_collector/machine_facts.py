"""What the machine and torch say of a run."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import torch

_PACKAGES = ("torch", "diffusers", "transformers", "triton", "sdtrace")


def versions() -> dict[str, str | None]:
    """Versions of what the numbers depend on; None for what is not there."""
    return {
        "python": platform.python_version(),
        **{package: _installed(package) for package in _PACKAGES},
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def peak_memory_bytes(device: torch.device) -> int | None:
    """Device memory torch allocated at most since the last reset; on a CPU, the process's resident peak."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - POSIX only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def dynamo_compile_times() -> dict[str, float]:
    """Seconds by stage, summed over calls; stages contain one another. Empty when dynamo was never loaded."""
    utils = sys.modules.get("torch._dynamo.utils")
    if utils is None:
        return {}
    return {stage: float(sum(seconds)) for stage, seconds in utils.compilation_time_metrics.items()}


def _installed(package: str) -> str | None:
    try:
        return str(torch.__version__) if package == "torch" else version(package)
    except PackageNotFoundError:
        return None


def _driver() -> str | None:
    """The NVIDIA driver's version, from nvidia-smi: torch knows only the CUDA version it supports."""
    program = shutil.which("nvidia-smi")
    if program is None or torch.version.cuda is None:
        return None
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.stdout.split()), None)
