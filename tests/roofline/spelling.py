"""Arguments of a call in the form in which Kineto records them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sdtrace.roofline.dtypes import SPELLINGS

KINETO = {torch_name: kineto for kineto, torch_name in reversed(SPELLINGS.items())}
"""torch's name of a type to Kineto's."""
CODES = {
    torch.uint8: 0,
    torch.int32: 3,
    torch.float16: 5,
    torch.float32: 6,
    torch.float64: 7,
    torch.bfloat16: 15,
}
"""c10::ScalarType of some types."""


def torch_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def spelled(*inputs: Any) -> dict[str, Any]:
    """`args` of an event of an op called with `inputs`."""
    columns = [_entry(value) for value in inputs]
    keys = ("Input Dims", "Input type", "Input Strides", "Concrete Inputs")
    return {key: [column[place] for column in columns] for place, key in enumerate(keys)}


def _entry(value: Any) -> tuple[Any, str, Any, str]:
    if isinstance(value, Tensor):
        return list(value.shape), KINETO[torch_name(value.dtype)], list(value.stride()), ""
    if isinstance(value, list) and value and isinstance(value[0], Tensor):
        return [list(t.shape) for t in value], "TensorList", [list(t.stride()) for t in value], ""
    if value is None:
        return [], "", [], ""
    if isinstance(value, torch.dtype):
        return [], "Scalar", [], str(CODES[value])
    return [], "ScalarList" if isinstance(value, list) else "Scalar", [], str(value)
