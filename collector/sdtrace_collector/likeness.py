"""How like one picture is to another, and how like it must be for what was changed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sdtrace_collector.variants import EXACT, LOSSY, Axes

EQUAL_DB: Final = 200.0
"""What `psnr_db` says of pictures without any difference."""
_LEAST_DB: Final = 40.0
_LEAST_DB_ROUNDED: Final = 10.0
"""16-bit numbers and TF32 round in every step, and the steps of a sampler carry it on.

Stable Diffusion 1.5 with random weights, in bfloat16 for float32, keeps 13 dB after 20 steps on an H100.
"""


def psnr_db(picture: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """How alike two pictures with values in [0, 1] are, in decibels: 200 if equal, NaN if one has a NaN."""
    error = float(np.mean(np.square(picture.astype(np.float64) - reference)))
    return float(-10 * np.log10(error)) if error else EQUAL_DB


def least_psnr_db(effect: str, axes: Axes, device: str) -> float:
    """The PSNR that a picture must have against one without what has this `effect`, in decibels."""
    if effect == LOSSY:
        return 0.0
    if effect == EXACT:
        return EQUAL_DB
    return _LEAST_DB if _rounds_in_32_bits(axes, device) else _LEAST_DB_ROUNDED


def is_same_picture(psnr: float, axes: Axes, device: str) -> bool:
    """Whether a picture is as like one in float32 as its numbers allow."""
    return psnr >= (_LEAST_DB if _rounds_in_32_bits(axes, device) else _LEAST_DB_ROUNDED)


def _rounds_in_32_bits(axes: Axes, device: str) -> bool:
    return axes.dtype == "fp32" and (device == "cpu" or axes.tf32 == "off")
