"""The arguments of one op event as typed tensors, from what Kineto recorded.

`Input Dims`, `Input Strides`, `Input type` and `Concrete Inputs` have one entry per input of the op's
schema, outputs given to it included. Files of others may hold anything: nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, TypeAlias

from sdtrace.roofline.dtypes import SPELLINGS, by_code, item_size

MAX_ELEMENTS: Final = 1 << 56
"""More than any machine holds: shapes beyond are damaged."""
_LISTS: Final = ("TensorList", "GenericList")


@dataclass(frozen=True)
class Tensor:
    """A tensor argument or result. `strides` count elements; `dtype` is torch's name without `torch.`."""

    shape: tuple[int, ...]
    dtype: str | None
    """None where the file does not say it, or spells it in a way unknown here."""
    strides: tuple[int, ...] | None = None

    @property
    def item_size(self) -> int | None:
        """Bytes of one element."""
        return item_size(self.dtype) if self.dtype is not None else None

    @property
    def elements(self) -> int:
        """How many there are, those that share memory included."""
        return prod(self.shape)

    @property
    def distinct(self) -> int:
        """Elements in memory: a dimension of stride 0 repeats them, and windows may overlap.

        >>> Tensor((4096, 320), "float32", strides=(0, 1)).distinct
        320
        """
        if self.strides is None or not self.elements:
            return self.elements
        pairs = list(zip(self.shape, self.strides, strict=True))
        reach = 1 + sum((size - 1) * abs(stride) for size, stride in pairs)
        return min(prod(size for size, stride in pairs if stride), reach)

    @property
    def nbytes(self) -> int | None:
        """Bytes of the distinct elements; None where the type is unknown."""
        return None if self.item_size is None else self.distinct * self.item_size


Input: TypeAlias = Tensor | tuple[Tensor, ...] | None
"""A tensor, a list of tensors, or something else."""


@dataclass(frozen=True)
class Arguments:
    """What one op was called with. A position beyond the last reads as absent."""

    inputs: tuple[Input, ...]
    types: tuple[str, ...]
    """As Kineto spells them; "" for what is absent, text, or a list of optional tensors."""
    values: tuple[str, ...]
    """What is no tensor, as text; empty where the profiler did not record it."""
    is_cut: bool = False
    """A list of tensors is recorded without its shapes, as Kineto does with long ones."""

    def __len__(self) -> int:
        return len(self.inputs)

    def tensor(self, index: int) -> Tensor | None:
        """The tensor at this position; None where there is none."""
        found = self.inputs[index] if 0 <= index < len(self.inputs) else None
        return found if isinstance(found, Tensor) else None

    def listed(self, index: int) -> tuple[Tensor, ...]:
        """The list of tensors at this position; () where there is none."""
        found = self.inputs[index] if 0 <= index < len(self.inputs) else None
        return found if isinstance(found, tuple) else ()

    def at(self, *indices: int) -> tuple[Tensor, ...]:
        """The tensors, and those of lists, that are at these positions."""
        return tuple(tensor for index in indices for tensor in self._of(index))

    def all(self) -> tuple[Tensor, ...]:
        """All tensors, those of lists included."""
        return self.at(*range(len(self.inputs)))

    def _of(self, index: int) -> Iterator[Tensor]:
        found = self.inputs[index] if 0 <= index < len(self.inputs) else None
        if isinstance(found, Tensor):
            yield found
        elif found is not None:
            yield from found

    def after(self, count: int) -> Tensor | None:
        """The first tensor from position `count` on: the output, in a call that was given one."""
        return next((t for index in range(count, len(self.inputs)) if (t := self.tensor(index))), None)

    def type(self, index: int) -> str:
        """The type at this position as Kineto spells it; "" where there is none."""
        return self.types[index] if 0 <= index < len(self.types) else ""

    def text(self, index: int) -> str:
        """The value at this position as text; "" where there is none."""
        return self.values[index] if 0 <= index < len(self.values) else ""

    def integers(self, index: int) -> list[int]:
        """The whole numbers at this position: [2, 1] of "[2, 1]", [-1] of "-1"; [] without any."""
        return [int(word) for word in re.findall(r"(?<![\d.e])-?\d{1,18}(?![\d.e])", self.text(index))]

    def integer(self, index: int, default: int) -> int:
        """The first whole number at this position."""
        return next(iter(self.integers(index)), default)

    def numbers(self, index: int) -> list[float]:
        """The numbers at this position: [2.0, 1.5] of "[2., 1.5]"."""
        return [float(word) for word in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d{1,3})?", self.text(index))]

    def flags(self, index: int) -> list[bool]:
        """The truth values at this position: [True, False] of "[True, False]"."""
        return [word == "True" for word in re.findall(r"True|False", self.text(index))]

    def flag(self, index: int) -> bool:
        """Whether the value at this position is True."""
        return self.text(index) == "True"

    def dtype(self, index: int) -> str | None:
        """The type that a `dtype` argument at this position names."""
        return by_code(self.text(index))


def parse_arguments(args: Mapping[str, object], list_dtype: str | None = None) -> Arguments:
    """The arguments of an event; `args` is its decoded JSON, of any form.

    Kineto records no type for what is in a list; `list_dtype` (torch's name) says it where it is known.

    >>> parse_arguments({"Input Dims": [[2, 3], []], "Input type": ["c10::Half", "Scalar"]}).tensor(0)
    Tensor(shape=(2, 3), dtype='float16', strides=None)
    """
    dims, types = _list(args, "Input Dims"), [_text(value) for value in _list(args, "Input type")]
    strides, values = _list(args, "Input Strides"), [_text(value) for value in _list(args, "Concrete Inputs")]
    inputs: list[Input] = []
    is_cut = False
    for index, entry in enumerate(dims):
        type_ = types[index] if index < len(types) else None
        steps = strides[index] if index < len(strides) else None
        found = _input(entry, type_, steps, list_dtype)
        is_cut |= type_ == "TensorList" and not found
        inputs.append(found)
    return Arguments(tuple(inputs), tuple(types), tuple(values), is_cut)


def _input(entry: object, type_: str | None, strides: object, list_dtype: str | None) -> Input:
    shape = _integers(entry)
    if type_ in _LISTS or shape is None:
        return _tensors(entry, strides, list_dtype)
    if type_ in ("Scalar", "ScalarList", "") or (not shape and type_ not in SPELLINGS):
        return None
    return _tensor(shape, SPELLINGS.get(type_ or ""), strides)


def _tensors(entry: object, strides: object, dtype: str | None) -> tuple[Tensor, ...] | None:
    """A list of tensors, if it is one whose shapes are recorded."""
    if not isinstance(entry, Sequence) or isinstance(entry, str) or not entry:
        return None
    shapes = [_integers(shape) for shape in entry]
    steps = strides if isinstance(strides, list) and len(strides) == len(shapes) else [None] * len(shapes)
    found = [
        _tensor(shape, dtype, step) for shape, step in zip(shapes, steps, strict=True) if shape is not None
    ]
    tensors = tuple(tensor for tensor in found if tensor is not None)
    return tensors if len(tensors) == len(shapes) else None


def _tensor(shape: tuple[int, ...], dtype: str | None, strides: object) -> Tensor | None:
    steps = _integers(strides)
    if any(size < 0 for size in shape) or prod(shape) >= MAX_ELEMENTS:
        return None
    return Tensor(shape, dtype, steps if steps is not None and len(steps) == len(shape) else None)


def _integers(entry: object) -> tuple[int, ...] | None:
    if not isinstance(entry, Sequence) or isinstance(entry, str | bytes):
        return None
    return tuple(entry) if {*map(type, entry)} <= {int} else None


def _list(args: Mapping[str, object], key: str) -> list[object]:
    values = args.get(key)
    return values if isinstance(values, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
