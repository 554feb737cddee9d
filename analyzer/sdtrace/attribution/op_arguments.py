"""The arguments of one op event, as Kineto writes them: one entry per input in each of three lists.

`Input Dims` holds a shape per input ([] for what is no tensor, a list of shapes for a list of tensors),
`Input type` what it is, `Concrete Inputs` the value of what is no tensor, as text. Files of others may
hold anything: what has not the expected form reads as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Args: TypeAlias = Mapping[str, object]
Shape: TypeAlias = Sequence[int]

_NO_TENSOR = ("", "Scalar", "ScalarList")


def shape_at(args: Args, index: int) -> Shape | None:
    """The shape of the input at `index`; () or [] for a tensor of no dimension and for what is no tensor."""
    shape = _entry(args, "Input Dims", index)
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        return None
    return shape if all(isinstance(size, int) for size in shape) else None


def is_tensor(args: Args, index: int) -> bool:
    """False where the file says that the input at `index` is no tensor; True without a word on it."""
    return _entry(args, "Input type", index) not in _NO_TENSOR


def text_at(args: Args, index: int) -> str:
    """The value of the input at `index` as text, such as "[1, 1]" or "True"; "" where there is none."""
    value = _entry(args, "Concrete Inputs", index)
    return value if isinstance(value, str) else ""


def type_at(args: Args, index: int) -> str:
    """The type of the input at `index` as Kineto spells it: "c10::BFloat16"; "" without one."""
    value = _entry(args, "Input type", index)
    return value if isinstance(value, str) else ""


def integers_at(args: Args, index: int) -> list[int] | None:
    """The whole numbers of the input at `index`: [2, 1] of "[2, 1]"; None without any."""
    return [int(number) for number in re.findall(r"-?\d{1,18}", text_at(args, index))] or None


def flags_at(args: Args, index: int) -> list[bool]:
    """The truth values of the input at `index`: [True, False] of "[True, False]"."""
    return [word == "True" for word in re.findall(r"True|False", text_at(args, index))]


def _entry(args: Args, key: str, index: int) -> object:
    values = args.get(key)
    if not isinstance(values, Sequence) or isinstance(values, str) or index >= len(values):
        return None
    return values[index]
