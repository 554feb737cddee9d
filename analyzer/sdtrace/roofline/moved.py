"""What one op moves: the tensors it must read and those it must write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.dtypes import real_part


class Moved(NamedTuple):
    """Tensors read and written once each, in an order of no meaning."""

    reads: tuple[Tensor, ...]
    writes: tuple[Tensor, ...]
    exact: bool = True
    """False where the arguments give only a bound, or where the op is unknown and its result a guess."""
    compute: str | None = None
    """The type that the op computes in, where it is not that of what it reads first."""


Rule: TypeAlias = Callable[[Arguments], Moved | None]
"""What an op moves when called with these arguments; None where they do not tell."""


def result(shape: Sequence[int], dtype: str | None, given: Tensor | None = None) -> Tensor:
    """A tensor of this shape, in the type of the output `given` to the op, if it was given one."""
    return Tensor(tuple(shape), given.dtype if given is not None else dtype)


def real_first(rule: Rule) -> Rule:
    """As `rule`, but the first result is real, of complex numbers too: a size, a spread, an angle."""

    def real(arguments: Arguments) -> Moved | None:
        moved = rule(arguments)
        if moved is None:
            return None
        first, *more = moved.writes
        return moved._replace(writes=(result(first.shape, real_part(first.dtype or "") or None), *more))

    return real


def part_of(tensor: Tensor, elements: int) -> Tensor:
    """As many of the tensor's elements, or all where there are fewer."""
    return Tensor((min(elements, tensor.distinct),), tensor.dtype)
