"""Where an Inductor kernel reads and writes: its generated source, followed for chosen points of its axes.

Such a kernel visits every point of its axes once: `y` and `x` over programs, `r` inside one. The address of
each load is plain arithmetic on the point, and so is the mask that leaves some out. Both are evaluated as
they stand. An address that was itself loaded (a look-up) has no value here.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Int64s: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

_ITEM_SIZES: Final = {"1": 1, "8": 1, "16": 2, "32": 4, "64": 8}
_SIGNATURE: Final = re.compile(r"'(\w+)': '\*(?:bf|fp|u|i)(\d+)\w*'")
_INDEXES: Final = {"yindex": "y", "xindex": "x", "r0_index": "r"}
_SIZES: Final = {"ynumel": "y", "xnumel": "x", "r0_numel": "r"}
_MOST_POINTS: Final = 1 << 48
_OTHER_AXES: Final = ("znumel", "r1_numel", "rsplit_id")
_MEMORY: Final = {"load": False, "store": True, "atomic_add": True}
_INTEGERS: Final = ("int1", "int8", "int16", "int32", "int64")

_OPERATORS: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Axes(NamedTuple):
    """How many points an axis has; 1 where the kernel does not have it."""

    y: int
    x: int
    r: int


class Points(NamedTuple):
    """Points of a kernel's axes, int64 arrays of one length."""

    y: Int64s
    x: Int64s
    r: Int64s


class Touch(NamedTuple):
    """What one load or store touches: `address` in bytes per point, -1 where its mask leaves the point out.

    None where the source does not tell. `loop` numbers the loop over `r` that it stands in, from 0.
    """

    pointer: str
    loop: int
    address: Int64s | None


class _Unknown(Exception):
    """An expression whose value is not known here."""


@dataclass(frozen=True)
class KernelSource:
    """A kernel whose axes have sizes known when it was written."""

    axes: Axes
    pointers: tuple[str, ...]
    """In the order of the arguments."""
    loops: int
    """How many loops over `r` follow each other; 1 where there is none."""
    item_sizes: dict[str, int] = field(repr=False)
    body: list[ast.stmt] = field(repr=False)

    def touches(self, points: Points) -> list[Touch]:
        """Each load and store of the source, in its order, followed for these points."""
        followed = _Followed(points, self.item_sizes)
        with np.errstate(all="ignore"):
            followed.run(self.body)
        return followed.touches


def parse_kernel(source: str) -> KernelSource | None:
    """The kernel that a source file of Inductor holds; None for a template or where sizes are not constant.

    >>> parse_kernel("import triton") is None
    True
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    kernels = [
        node for node in module.body if isinstance(node, ast.FunctionDef) and node.name.startswith("triton_")
    ]
    if len(kernels) != 1:
        return None
    kernel = kernels[0]
    constants = {name: node.value for name, node in _assigned(kernel.body) if isinstance(node, ast.Constant)}
    names = {node.id for node in ast.walk(kernel) if isinstance(node, ast.Name)}
    sizes = {axis: constants.get(name) for name, axis in _SIZES.items() if name in names}
    known = {axis: size for axis, size in sizes.items() if isinstance(size, int) and size > 0}
    if "x" not in known or known.keys() != sizes.keys() or names.intersection(_OTHER_AXES):
        return None
    if prod(known.values()) > _MOST_POINTS:
        return None
    item_sizes = {name: _ITEM_SIZES.get(bits, 1) for name, bits in _SIGNATURE.findall(source)}
    pointers = tuple(argument.arg for argument in kernel.args.args if argument.arg in item_sizes)
    loops = sum(isinstance(node, ast.For) for node in kernel.body)
    axes = Axes(known.get("y", 1), known["x"], known.get("r", 1))
    return KernelSource(axes, pointers, max(1, loops), item_sizes, kernel.body)


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


class _Followed:
    """Runs the statements of a kernel that are integer arithmetic, and notes what is loaded and stored."""

    def __init__(self, points: Points, item_sizes: Mapping[str, int]) -> None:
        self.touches: list[Touch] = []
        self._values: dict[str, Any] = {name: getattr(points, axis) for name, axis in _INDEXES.items()}
        self._count = len(points.x)
        self._item_sizes = item_sizes

    def run(self, body: list[ast.stmt], loop: int = 0) -> None:
        seen = 0
        for node in body:
            if isinstance(node, ast.For):
                self.run(node.body, seen)
                seen += 1
                continue
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    self._note(call, call.func.attr, max(loop, seen - 1))
            for name, value in _assigned([node]):
                self._assign(name, value)

    def _assign(self, name: str, value: ast.expr) -> None:
        if name in _INDEXES:
            return
        try:
            self._values[name] = self._value(value)
        except _Unknown:
            self._values.pop(name, None)

    def _note(self, call: ast.Call, function: str, loop: int) -> None:
        if function not in _MEMORY or not call.args:
            return
        pointer, address = call.args[0], None
        match pointer:
            case ast.BinOp(ast.Name(name), ast.Add(), index) if name in self._item_sizes:
                mask = call.args[1 + _MEMORY[function] :][:1]
                try:
                    address = self._address(index, mask) * self._item_sizes[name]
                except (_Unknown, ArithmeticError, TypeError, ValueError):
                    address = None
                self.touches.append(Touch(name, loop, address))
            case _:
                names = [node.id for node in ast.walk(pointer) if isinstance(node, ast.Name)]
                self.touches += [Touch(name, loop, None) for name in names if name in self._item_sizes]

    def _address(self, index: ast.expr, mask: list[ast.expr]) -> Int64s:
        """The element per point; negative where a mask leaves it out."""
        found = np.broadcast_to(np.asarray(self._value(index), np.int64), self._count)
        is_used = self._mask(mask[0]) if mask else True
        return np.where(is_used, found, -1)

    def _mask(self, node: ast.expr) -> Bools | bool:
        """What is known of a mask: a part of it that was loaded leaves nothing out."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
            left, right = self._mask(node.left), self._mask(node.right)
            return left & right
        try:
            value = self._value(node)
        except _Unknown:
            return True
        return True if value is None else np.broadcast_to(np.asarray(value, np.bool_), self._count)

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name) if name in self._values:
                return self._values[name]
            case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
                return self._applied(op, left, right)
            case ast.Compare(left, [op], [right]) if type(op) in _OPERATORS:
                return self._applied(op, left, right)
            case ast.UnaryOp(ast.USub(), operand):
                return -self._value(operand)
            case ast.Call(ast.Attribute(of, function), arguments):
                return self._called(of, function, arguments)
        raise _Unknown

    def _called(self, of: ast.expr, function: str, arguments: list[ast.expr]) -> Any:
        match (function, arguments):
            case ("full", [_, value, *_]) | ("broadcast_to", [value, *_]):
                return self._value(value)
            case ("where", [condition, yes, no]):
                return np.where(self._value(condition), self._value(yes), self._value(no))
            case ("to", [ast.Attribute(_, dtype), *_]):
                found = self._value(of)
                return np.asarray(found).astype(np.int64) if dtype in _INTEGERS else found
        raise _Unknown

    def _applied(self, op: ast.AST, left: ast.expr, right: ast.expr) -> Any:
        try:
            return _OPERATORS[type(op)](self._value(left), self._value(right))
        except (ArithmeticError, TypeError, ValueError) as error:
            raise _Unknown from error
