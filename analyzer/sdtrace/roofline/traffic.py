"""The bytes that an op must move at least: everything it is given read once, its result written once.

What an op moves is not what its kernels move: a normalisation that reads its input three times over has
the traffic of one that reads it once, and the difference is what could be saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sdtrace.roofline.arguments import MAX_ELEMENTS, Arguments, Tensor, parse_arguments
from sdtrace.roofline.dtypes import SPELLINGS
from sdtrace.roofline.moved import Moved, Rule, result
from sdtrace.roofline.rules import elementwise, lists, movement, norms, products, reductions
from sdtrace.roofline.shapes import broadcast

RULES: Final[dict[str, Rule]] = {
    **elementwise.RULES,
    **products.RULES,
    **norms.RULES,
    **reductions.RULES,
    **movement.RULES,
    **lists.RULES,
}
"""By op name as in the trace, in-place variants under their own."""

_COMMUNICATION: Final = ("c10d::", "_c10d_functional::", "nccl:", "gloo:")


@dataclass(frozen=True)
class Traffic:
    """Compulsory traffic of one op event, in bytes."""

    bytes_read: int
    bytes_written: int
    exact: bool
    """False where it is a bound or a guess: an unknown op, a look-up, a type that is not recorded."""
    compute_dtype: str | None
    """The type it computes in ("bfloat16"), torch's name; whether float32 means TF32 is not known here."""
    dram_bytes_read: int | None = None
    """What the kernel reads from memory: what it returns to once the cache has lost it counts again.

    None where that is not known."""
    in_place: int = 0
    """What it writes where it read: that takes its place in a cache once."""


def traffic_of(name: str, args: Mapping[str, object], list_dtype: str | None = None) -> Traffic | None:
    """What the op `name` moves when called with `args`, an event's own as decoded from JSON.

    None where nothing is known: no shapes, no types, a collective, or what is no op (a compiled region,
    a Triton kernel). `list_dtype` is the type of tensors in lists, which Kineto does not record: see
    `list_dtype_of`.

    >>> args = {"Input Dims": [[8, 4096, 320], [320]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}
    >>> traffic = traffic_of("aten::mul", args)
    >>> traffic.bytes_read, traffic.bytes_written, traffic.compute_dtype
    (20972160, 20971520, 'bfloat16')
    """
    arguments = parse_arguments(args, list_dtype)
    moved = moved_by(name, arguments)
    if moved is None:
        return None
    (read, reads_known), (written, writes_known) = _total(moved.reads), _total(moved.writes)
    if not reads_known and not writes_known:
        return None
    exact = moved.exact and reads_known and writes_known
    dtype = moved.compute or _first_dtype(moved)
    return Traffic(read, written, exact, dtype, in_place=_in_place(name, arguments, moved))


def _in_place(name: str, arguments: Arguments, moved: Moved) -> int:
    """Bytes of the first tensor, where the op reads it and writes it again."""
    first = arguments.tensor(0)
    if first is None or not name.endswith("_") or not any(tensor is first for tensor in moved.reads):
        return 0
    return min(first.nbytes or 0, _total(moved.writes)[0])


def moved_by(name: str, arguments: Arguments) -> Moved | None:
    """The tensors that the op reads and writes; None where nothing is known.

    An op without a rule reads all its tensors and writes what they expand to, in the first one's type.
    """
    if "::" not in name or name.startswith(_COMMUNICATION) or arguments.is_cut:
        return None
    rule = RULES.get(name)
    moved = rule(arguments) if rule is not None else None
    return moved if moved is not None and _is_possible(moved) else _unknown_op(arguments)


def _is_possible(moved: Moved) -> bool:
    """Damaged arguments may ask for results of a size below zero, or beyond any memory."""
    return all(min(t.shape, default=0) >= 0 and t.elements < MAX_ELEMENTS for t in moved.writes)


def _unknown_op(arguments: Arguments) -> Moved | None:
    tensors = arguments.all()
    if not tensors:
        return None
    shape = broadcast(tensor.shape for tensor in tensors)
    written = result(tensors[0].shape if shape is None else shape, tensors[0].dtype)
    return Moved(tensors, (written,), exact=False)


def _total(tensors: Iterable[Tensor]) -> tuple[int, bool]:
    """Bytes of those whose type is known, and whether that is all of them."""
    sizes = [tensor.nbytes for tensor in tensors]
    return sum(size for size in sizes if size is not None), None not in sizes


def _first_dtype(moved: Moved) -> str | None:
    return next((tensor.dtype for tensor in (*moved.reads, *moved.writes) if tensor.dtype), None)


_OPAQUE: Final = re.compile(r"OpaqueType<(\d+)u?l?>")
_JOINED: Final = re.compile(r"CatArrayBatchedCopy\w*<([\w: ]+),")
_FUNCTOR: Final = re.compile(r"Functor<([A-Za-z0-9_: ]+?(?:<[a-z]+>)?)\s*[,>]")


def list_dtype_of(kernel_name: str) -> str | None:
    """The type of a list's tensors by the kernel that the op launched; None where its name does not tell.

    Concatenation copies bits: in newer versions its kernel knows only how many an element has.

    >>> list_dtype_of("void CatArrayBatchedCopy<at::native::OpaqueType<2u>, unsigned int, 4, 64, 64>")
    'bits16'
    """
    opaque = _OPAQUE.search(kernel_name)
    if opaque:
        return f"bits{8 * int(opaque[1])}"
    typed = _JOINED.search(kernel_name) or _FUNCTOR.search(kernel_name)
    return SPELLINGS.get(typed[1].strip()) if typed else None
