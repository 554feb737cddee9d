"""Event categories: every name torch has used for a kind of event, mapped to one."""

from __future__ import annotations

import re
from typing import Final

CANONICAL: Final[dict[str, str]] = {
    # Kineto before 2022 wrote capitalised names; other backends write their own prefix.
    "Kernel": "kernel",
    "Memcpy": "gpu_memcpy",
    "Memset": "gpu_memset",
    "Runtime": "cuda_runtime",
    "Operator": "cpu_op",
    "Overhead": "overhead",
    "hip_runtime": "cuda_runtime",
    "xpu_runtime": "cuda_runtime",
    "mtia_runtime": "cuda_runtime",
    "privateuse1_runtime": "cuda_runtime",
    "glow_runtime": "cuda_runtime",
    "hip_driver": "cuda_driver",
    "xpu_driver": "cuda_driver",
    "privateuse1_driver": "cuda_driver",
    "mtia_ccp_events": "kernel",
    "concurrent_kernel": "kernel",
}

GRAPH_LAUNCH: Final = re.compile(r"^(?:cuda|cu|hip)GraphLaunch")
"""Names of the calls that replay a CUDA graph."""
TO_HOST: Final = re.compile(r"DtoH|DeviceToHost|D2M")
"""Names of copies from the device to the host."""
LAUNCHES: Final = frozenset({"cuda_runtime", "cuda_driver"})
HOST: Final = frozenset({"cpu_op", "user_annotation", "python_function", "overhead"}) | LAUNCHES
COPIES: Final = frozenset({"gpu_memcpy", "gpu_memset"})
WORK: Final = COPIES | {"kernel"}
DEVICE: Final = WORK | {"gpu_user_annotation", "cuda_sync"}
NAMED: Final = (HOST | DEVICE) - {"python_function"}
"""Categories whose `External id` means something."""
LINKED: Final = LAUNCHES | WORK | {"cuda_sync"}
"""Categories whose events carry a correlation."""


def canonical(category: str) -> str:
    """The name in force for `category`; unknown ones stay as they are."""
    return CANONICAL.get(category, category)
