"""Does a variant make the picture that the pipeline makes as it comes?"""

from __future__ import annotations

import gc
import math
from typing import Any

import torch

from sdtrace_collector.likeness import least_psnr_db, psnr_db
from sdtrace_collector.models import load
from sdtrace_collector.prepare import DTYPES, caller, prepare, set_backends
from sdtrace_collector.protocol import PictureCheck
from sdtrace_collector.timed import Timed
from sdtrace_collector.variants import AXES, EFFECTS, EXACT, Axes, Axis


def plain(axes: Axes) -> Axes:
    """What diffusers does by itself in the same dtype: op by op, with torch's own attention."""
    return Axes(dtype=axes.dtype, attention="sdpa")


def effect_beyond_dtype(axes: Axes) -> str:
    """What a variant does to the picture against the plain pipeline of its dtype."""
    base = plain(axes)
    return max((_effect(axis, axes, base) for axis in AXES), key=EFFECTS.index)


def _effect(axis: Axis, axes: Axes, base: Axes) -> str:
    """Of one setting, where it may be that the plain pipeline's is not the first value."""
    value, plain_value = getattr(axes, axis.name), getattr(base, axis.name)
    if value == plain_value:
        return EXACT
    return axis.effect_of(plain_value if value == axis.values[0] else value)


def check_picture(
    picture: torch.Tensor, model: str, axes: Axes, device: torch.device, seed: int, arguments: dict[str, Any]
) -> PictureCheck:
    """Compares the first image of a run with that of the plain pipeline, loaded anew.

    `picture` is one image, values in [0, 1]; `arguments` are those of the call.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    base = plain(axes)
    set_backends(base)
    pipe = load(model, DTYPES[axes.dtype], device, seed).pipe
    prepare(pipe, base)
    _, made = Timed(caller(pipe, base), seed, arguments).image(0)
    effect = effect_beyond_dtype(axes)
    likeness = psnr_db(picture.float().cpu().numpy(), made[0].float().cpu().numpy())
    is_number = not math.isnan(likeness)
    return PictureCheck(
        effect=effect,
        psnr_db=likeness if is_number else None,
        is_as_said=is_number and likeness >= least_psnr_db(effect, axes, device.type),
    )
