"""Ops that take dimensions away, order them or run along them; pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.dtypes import as_float, kind
from sdtrace.roofline.moved import Moved, Rule, real_first, result
from sdtrace.roofline.rules.elementwise import elementwise
from sdtrace.roofline.shapes import Shape, pooled, reduced, with_size


@dataclass(frozen=True)
class Reduction:
    """Which input is what in the overload with dimensions; that without has fewer inputs and reduces all."""

    dims: int = 1
    keep: int = 2
    dtype: int = -1
    whole: int = 1
    """The most inputs, without outputs, of the overload that reduces everything."""
    whole_dtype: int = -1
    gives: str = ""
    """The type of the result: always this, or for "sum" and "truth" as theirs is; else that of x."""
    second: str = ""
    """The type of a second result of the same shape; "x" for that of x."""

    def __call__(self, arguments: Arguments) -> Moved | None:
        """x is read, what is left of it is written."""
        x = arguments.tensor(0)
        if x is None:
            return None
        given = arguments.after(self.dims + 1)
        count = len(arguments) - (given is not None)
        is_whole = count <= self.whole
        if not is_whole and self._is_untold(arguments):
            return Moved((x,), (Tensor((), x.dtype),), exact=False)
        shape = self._shape(x, arguments, is_whole=is_whole)
        if shape is None:
            return None
        named = arguments.dtype(self.whole_dtype if is_whole else self.dtype)
        first = result(shape, named or self._dtype(x.dtype), given)
        more = (Tensor(shape, x.dtype if self.second == "x" else self.second),) if self.second else ()
        return Moved((x,), (first, *more), compute=x.dtype)

    def _is_untold(self, arguments: Arguments) -> bool:
        """Dimensions were given and the profiler did not record them."""
        return bool(arguments.type(self.dims)) and not arguments.text(self.dims)

    def _shape(self, x: Tensor, arguments: Arguments, *, is_whole: bool) -> Shape | None:
        if is_whole:
            return ()
        return reduced(x.shape, arguments.integers(self.dims), keep=arguments.flag(self.keep))

    def _dtype(self, dtype: str | None) -> str | None:
        if self.gives == "sum":
            return _of_sum(dtype)
        if self.gives == "truth":
            return "uint8" if dtype == "uint8" else "bool"
        return as_float(dtype) if self.gives == "real" and dtype is not None else self.gives or dtype


def _of_sum(dtype: str | None) -> str | None:
    return "int64" if dtype is not None and kind(dtype) < 2 else dtype


def extreme(arguments: Arguments) -> Moved | None:
    """`max` and `min`: of all, of a dimension with its place, or of two tensors."""
    if arguments.tensor(1) is not None:
        return elementwise(2)(arguments)
    one = Reduction()
    return (replace(one, second="int64") if len(arguments) > 1 else one)(arguments)


def running(arguments: Arguments) -> Moved | None:
    """`cumsum` and the like: a result of the shape of x, in which whole numbers are int64."""
    x = arguments.tensor(0)
    if x is None:
        return None
    dtype = arguments.dtype(2) or _of_sum(x.dtype)
    return Moved((x,), (result(x.shape, dtype, arguments.after(2)),))


def dotted(arguments: Arguments) -> Moved | None:
    """`dot`: one number of two vectors."""
    x = arguments.tensor(0)
    return None if x is None else Moved(arguments.at(0, 1), (result((), x.dtype, arguments.after(2)),))


def ordered(arguments: Arguments) -> Moved | None:
    """`sort`: values and places."""
    x = arguments.tensor(0)
    return None if x is None else Moved((x,), (result(x.shape, x.dtype), Tensor(x.shape, "int64")))


def topmost(arguments: Arguments) -> Moved | None:
    """`topk`: values and places of the k greatest in one dimension."""
    x = arguments.tensor(0)
    shape = None if x is None else with_size(x.shape, arguments.integer(2, -1), arguments.integer(1, 0))
    if x is None or shape is None:
        return None
    return Moved((x,), (result(shape, x.dtype), Tensor(shape, "int64")))


def pool(rank: int, *, dilates: bool) -> Rule:
    """Maxima with their places, or means, of windows."""

    def rule(arguments: Arguments) -> Moved | None:
        x = arguments.tensor(0)
        kernel = _repeated(arguments.integers(1), rank)
        stride = _repeated(arguments.integers(2), rank) or kernel
        padding, dilation = _repeated(arguments.integers(3), rank), [1] * rank
        if dilates:
            dilation = _repeated(arguments.integers(4), rank)
        lists = (kernel, stride, padding, dilation)
        if x is None or any(len(values) != rank for values in lists) or 0 in stride or len(x.shape) <= rank:
            return None
        ceil = arguments.flag(5 if dilates else 4)
        windows = zip(x.shape[-rank:], *lists, strict=True)
        shape = (*x.shape[:-rank], *(pooled(*window, ceil=ceil) for window in windows))
        places = (Tensor(shape, "int64"),) if dilates else ()
        return Moved((x,), (result(shape, x.dtype), *places))

    return rule


def adaptive_pool(rank: int, *, places: bool = False) -> Rule:
    """Windows for a result of a given size."""

    def rule(arguments: Arguments) -> Moved | None:
        x, size = arguments.tensor(0), _repeated(arguments.integers(1), rank)
        if x is None or len(size) != rank or len(x.shape) <= rank:
            return None
        shape = (*x.shape[:-rank], *size)
        return Moved((x,), (result(shape, x.dtype), *[Tensor(shape, "int64")] * places))

    return rule


def pool_backward(*, places: int = -1) -> Rule:
    """The gradient of x from that of the result, and the places of the maxima."""

    def rule(arguments: Arguments) -> Moved | None:
        gradient, x = arguments.tensor(0), arguments.tensor(1)
        if gradient is None or x is None:
            return None
        return Moved((gradient, *arguments.at(places)), (result(x.shape, x.dtype),))

    return rule


def _repeated(values: list[int], rank: int) -> list[int]:
    return values * rank if len(values) == 1 else values


_SUM: Final = Reduction(dtype=3, whole=2, whole_dtype=1, gives="sum")
_SPREAD: Final = Reduction(keep=3, whole=2, gives="real")

_NAMED: Final[dict[str, Rule]] = {
    "sum": _SUM,
    "nansum": _SUM,
    "prod": _SUM,
    "mean": replace(_SUM, gives="real"),
    "amax": Reduction(whole=0),
    "amin": Reduction(whole=0),
    "logsumexp": Reduction(whole=0, gives="real"),
    "argmax": Reduction(whole=0, gives="int64"),
    "argmin": Reduction(whole=0, gives="int64"),
    "any": Reduction(gives="truth"),
    "all": Reduction(gives="truth"),
    "aminmax": Reduction(whole=0, second="x"),
    "var": real_first(_SPREAD),
    "std": real_first(_SPREAD),
    "var_mean": real_first(replace(_SPREAD, second="x")),
    "std_mean": real_first(replace(_SPREAD, second="x")),
    "norm": real_first(Reduction(dims=2, keep=3, dtype=4, whole=2)),
    "linalg_vector_norm": real_first(Reduction(dims=2, keep=3, dtype=4, whole=0)),
    "max": extreme,
    "min": extreme,
    "cumsum": running,
    "cumprod": running,
    "logcumsumexp": running,
    "dot": dotted,
    "vdot": dotted,
    "sort": ordered,
    "topk": topmost,
    "max_pool2d_with_indices": pool(2, dilates=True),
    "max_pool3d_with_indices": pool(3, dilates=True),
    "avg_pool2d": pool(2, dilates=False),
    "avg_pool3d": pool(3, dilates=False),
    "_adaptive_avg_pool2d": adaptive_pool(2),
    "_adaptive_avg_pool3d": adaptive_pool(3),
    "adaptive_max_pool2d": adaptive_pool(2, places=True),
    "max_pool2d_with_indices_backward": pool_backward(places=7),
    "max_pool3d_with_indices_backward": pool_backward(places=7),
    "avg_pool2d_backward": pool_backward(),
    "avg_pool3d_backward": pool_backward(),
    "_adaptive_avg_pool2d_backward": pool_backward(),
    "_adaptive_avg_pool3d_backward": pool_backward(),
    "adaptive_max_pool2d_backward": pool_backward(places=2),
}

RULES: Final = {f"aten::{name}": rule for name, rule in _NAMED.items()}
