"""Ops that put elements elsewhere: copies, joins, look-ups, padding, resizing, ranges."""

from __future__ import annotations

from functools import partial
from math import ceil, prod
from typing import Final

from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.moved import Moved, Rule, part_of, result
from sdtrace.roofline.rules.elementwise import like, like_first
from sdtrace.roofline.shapes import broadcast, padded, with_size


def joined(arguments: Arguments) -> Moved | None:
    """`cat`: the list's tensors behind one another; an empty one of one dimension does not count."""
    tensors = arguments.listed(0)
    parts = [tensor for tensor in tensors if tensor.shape != (0,)] or list(tensors)
    dim = arguments.integer(1, 0)
    if not parts or any(len(tensor.shape) != len(parts[0].shape) for tensor in parts):
        return None
    if not -len(parts[0].shape) <= dim < len(parts[0].shape):
        return None
    shape = with_size(parts[0].shape, dim, sum(tensor.shape[dim] for tensor in parts))
    return None if shape is None else Moved(tensors, (result(shape, parts[0].dtype, arguments.after(2)),))


def stacked(arguments: Arguments) -> Moved | None:
    """`stack`: the list's tensors in a new dimension."""
    tensors, dim = arguments.listed(0), arguments.integer(1, 0)
    if not tensors:
        return None
    shape = list(tensors[0].shape)
    shape.insert(dim if dim >= 0 else len(shape) + 1 + dim, len(tensors))
    return Moved(tensors, (result(shape, tensors[0].dtype, arguments.after(2)),))


def _taken(source: Tensor, places: Tensor, written: Tensor) -> Moved:
    """As many elements as are written are read, at most once each: a bound, for places may repeat."""
    return Moved((places, part_of(source, written.elements)), (written,), exact=False, compute=source.dtype)


def gathered(arguments: Arguments) -> Moved | None:
    """`gather`: one element for each index."""
    source, places = arguments.tensor(0), arguments.tensor(2)
    if source is None or places is None:
        return None
    return _taken(source, places, result(places.shape, source.dtype, arguments.after(3)))


def selected(arguments: Arguments) -> Moved | None:
    """`index_select`: slices of one dimension."""
    source, places = arguments.tensor(0), arguments.tensor(2)
    if source is None or places is None:
        return None
    shape = with_size(source.shape, arguments.integer(1, 0), places.elements) if source.shape else ()
    return None if shape is None else _taken(source, places, result(shape, source.dtype, arguments.after(3)))


def looked_up(arguments: Arguments) -> Moved | None:
    """`embedding`: a row of the table for each index."""
    table, places = arguments.tensor(0), arguments.tensor(1)
    if table is None or places is None or len(table.shape) != 2:
        return None
    return _taken(table, places, Tensor((*places.shape, table.shape[1]), table.dtype))


def bagged(arguments: Arguments) -> Moved | None:
    """`embedding_bag`: for each bag the sum, mean or maximum of the rows at its indices."""
    table, places, bags = arguments.tensor(0), arguments.tensor(1), arguments.tensor(2)
    if table is None or places is None or bags is None or len(table.shape) != 2:
        return None
    count = bags.elements - arguments.flag(7)
    row = table.shape[1]
    reads = (part_of(table, places.elements * row), places, bags, *arguments.at(6))
    return Moved(reads, (result((count, row), table.dtype),), exact=False, compute=table.dtype)


def sampled(rank: int, arguments: Arguments) -> Moved | None:
    """`grid_sampler`: x at the places of a grid; how much of x that needs, no trace says."""
    x, grid = arguments.tensor(0), arguments.tensor(1)
    if x is None or grid is None or not len(x.shape) == len(grid.shape) == rank + 2:
        return None
    return Moved((x, grid), (result((*x.shape[:2], *grid.shape[1:-1]), x.dtype),), exact=False)


def looked_up_backward(arguments: Arguments) -> Moved | None:
    """The gradient of the whole table."""
    gradient, places = arguments.tensor(0), arguments.tensor(1)
    if gradient is None or places is None or not gradient.shape:
        return None
    return Moved((gradient, places), (Tensor((arguments.integer(2, 0), gradient.shape[-1]), gradient.dtype),))


def indexed(arguments: Arguments) -> Moved | None:
    """`index` with indices of the first dimensions only: what they expand to, by the other dimensions."""
    source, places = arguments.tensor(0), arguments.listed(1)
    shape = broadcast(tensor.shape for tensor in places)
    if source is None or not places or shape is None or len(places) > len(source.shape):
        return None
    written = Tensor((*shape, *source.shape[len(places) :]), source.dtype)
    reads = (*places, part_of(source, written.elements))
    return Moved(reads, (written,), exact=False, compute=source.dtype)


def scattered(source: int, *, keeps: bool = False, adds: bool = False) -> Rule:
    """Elements of the tensor at `source`, or one number, go where an index says; the rest stays.

    `keeps`: into a copy of the first tensor, else in place. `adds`: to what is there.
    """

    def rule(arguments: Arguments) -> Moved | None:
        target, places = arguments.tensor(0), arguments.tensor(2)
        if target is None or places is None:
            return None
        values = arguments.tensor(source)
        count = places.elements if values is None else values.elements
        touched = part_of(target, count)
        reads = (places, *([values] if values is not None else []))
        if keeps:
            return Moved((target, *reads), (result(target.shape, target.dtype),), exact=False)
        return Moved((*reads, *[touched] * adds), (touched,), exact=False, compute=target.dtype)

    return rule


def put(arguments: Arguments) -> Moved | None:
    """`index_put_`: values go where a list of indices says."""
    target, values = arguments.tensor(0), arguments.tensor(2)
    if target is None or values is None:
        return None
    places = arguments.listed(1)
    # Where one value goes everywhere, and it is not recorded where that is, it may be the whole tensor.
    shape = broadcast(tensor.shape for tensor in places)
    most = target.elements if shape is None or not places else prod((*shape, *target.shape[len(places) :]))
    touched = part_of(target, values.elements if len(values.shape) else most)
    reads = (*places, values, *[touched] * arguments.flag(3))
    return Moved(reads, (touched,), exact=False, compute=target.dtype)


def found(arguments: Arguments) -> Moved | None:
    """`nonzero` and the like: everything is read; how much is written, no trace says."""
    reads = arguments.at(0, 1)
    return Moved(reads, (), exact=False) if reads else None


def read_by_host(arguments: Arguments) -> Moved | None:
    """`_local_scalar_dense`: one element goes to the host."""
    x = arguments.tensor(0)
    return None if x is None else Moved((part_of(x, 1),), (Tensor((), x.dtype),))


def filled(count: int, arguments: Arguments) -> Moved | None:
    """An output of as many elements as the arguments ask for, given to the op as the only tensor."""
    out = arguments.after(0)
    return None if out is None else Moved((), (result((count,), out.dtype),))


def counted(arguments: Arguments) -> Moved | None:
    """`arange`: (end), (start, end) or (start, end, step) and the output."""
    numbers = [arguments.numbers(index)[0] for index in range(3) if arguments.numbers(index)]
    if not numbers:
        return None
    start, end = (0.0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else 1.0
    return filled(max(0, ceil((end - start) / step)), arguments) if step else None


def spaced(arguments: Arguments) -> Moved | None:
    """`linspace` and `logspace`: (start, end, steps)."""
    return filled(arguments.integer(2, 0), arguments)


def padded_by(arguments: Arguments) -> Moved | None:
    """x with more around it."""
    x = arguments.tensor(0)
    shape = None if x is None else padded(x.shape, arguments.integers(1))
    return None if x is None or shape is None else Moved((x,), (result(shape, x.dtype),))


_ALL: Final = 1 << 20
"""More samples than a dimension has."""


def resized(rank: int, taps: int, arguments: Arguments) -> Moved | None:
    """Another number of samples in the last `rank` dimensions, from a size or from factors.

    Each is made of `taps` samples of x in a dimension: those that no sample needs are not read.
    """
    x = arguments.tensor(0)
    if x is None or len(x.shape) < rank + 1:
        return None
    size = arguments.integers(1)
    if not size:
        factors = next((arguments.numbers(i) for i in (2, 3) if arguments.type(i) == "ScalarList"), [])
        size = [int(n * factor) for n, factor in zip(x.shape[-rank:], factors, strict=False)]
    if len(size) != rank:
        return None
    used = prod(min(n, taps * count) for n, count in zip(x.shape[-rank:], size, strict=True))
    written = result((*x.shape[:-rank], *size), x.dtype)
    return Moved((part_of(x, prod(x.shape[:-rank]) * used),), (written,), compute=x.dtype)


def resized_backward(arguments: Arguments) -> Moved | None:
    """The gradient of x, whose whole size is the third argument."""
    gradient, shape = arguments.tensor(0), arguments.integers(2)
    if gradient is None or len(shape) != len(gradient.shape):
        return None
    return Moved((gradient,), (result(shape, gradient.dtype),))


def converted(arguments: Arguments) -> Moved | None:
    """A copy of x in the type that the second argument names, if it names one."""
    x = arguments.tensor(0)
    return None if x is None else Moved((x,), (result(x.shape, arguments.dtype(1) or x.dtype),))


def _resizing() -> dict[str, Rule]:
    one = {f"{kind}{rank}d": (rank, 1) for kind in ("nearest", "_nearest_exact") for rank in (1, 2, 3)}
    more = {"linear1d": (1, 2), "bilinear2d": (2, 2), "trilinear3d": (3, 2), "bicubic2d": (2, 4)}
    smooth = dict.fromkeys(("_bilinear2d_aa", "_bicubic2d_aa"), (2, _ALL))
    rules: dict[str, Rule] = {}
    for kind, (rank, taps) in {**one, **more, **smooth}.items():
        name = f"_upsample{kind}" if kind.startswith("_") else f"upsample_{kind}"
        rules[name] = partial(resized, rank, taps)
        rules[f"{name}_backward"] = resized_backward
    return rules


_NAMED: Final[dict[str, Rule]] = {
    **_resizing(),
    **dict.fromkeys(("clone", "contiguous", "flip", "roll", "tril", "triu", "alias_copy"), like_first(1)),
    "_to_copy": converted,
    "cat": joined,
    "stack": stacked,
    "gather": gathered,
    "index_select": selected,
    "embedding": looked_up,
    "embedding_dense_backward": looked_up_backward,
    **dict.fromkeys(("_embedding_bag", "_embedding_bag_forward_only"), bagged),
    **{f"grid_sampler_{rank}d": partial(sampled, rank) for rank in (2, 3)},
    "index": indexed,
    "index_put_": put,
    "_index_put_impl_": put,
    "scatter": scattered(3, keeps=True),
    "scatter_add": scattered(3, keeps=True),
    "scatter_": scattered(3),
    "scatter_add_": scattered(3, adds=True),
    "index_copy_": scattered(3),
    "index_add_": scattered(3, adds=True),
    **dict.fromkeys(("nonzero", "masked_select", "_unique2", "unique_dim"), found),
    "_local_scalar_dense": read_by_host,
    "arange": counted,
    "linspace": spaced,
    "logspace": spaced,
    **{f"{kind}_pad{rank}d": padded_by for kind in ("reflection", "replication") for rank in (1, 2, 3)},
    **{
        f"{kind}_pad{rank}d_backward": like(1, (0,))
        for kind in ("reflection", "replication")
        for rank in (1, 2, 3)
    },
    "constant_pad_nd": padded_by,
}

RULES: Final = {f"aten::{name}": rule for name, rule in _NAMED.items()}
