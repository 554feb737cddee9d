"""Ops that give each element of their result from one element of each operand."""

from __future__ import annotations

from typing import Final

from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.dtypes import as_complex, as_float, result_type
from sdtrace.roofline.moved import Moved, Rule, real_first, result
from sdtrace.roofline.shapes import broadcast


def promoted(arguments: Arguments, positions: range) -> str | None:
    """The common type of the tensors and plain numbers at these positions."""
    tensors = [t for index in positions if (t := arguments.tensor(index)) is not None]
    if any(tensor.dtype is None for tensor in tensors):
        return None
    numbers = [arguments.text(index) for index in positions if arguments.type(index) == "Scalar"]
    return result_type([(t.dtype or "", not t.shape) for t in tensors], [text for text in numbers if text])


def elementwise(operands: int, *, gives: str = "", floats: bool = False, first: int = 0) -> Rule:
    """A result of the shape that operands `first` to `operands` - 1 expand to, in their common type.

    `gives` names the type of the result where it is always the same, `floats` says that whole numbers
    give real ones. A tensor behind the operands is the output, given to the op.
    """

    def rule(arguments: Arguments) -> Moved | None:
        reads = arguments.at(*range(operands))
        shape = broadcast(tensor.shape for tensor in reads)
        if not reads or shape is None:
            return None
        dtype = promoted(arguments, range(first, operands))
        computed = as_float(dtype) if floats and dtype is not None else dtype
        written = result(shape, gives or computed, arguments.after(operands))
        return Moved(reads, (written,), compute=computed)

    return rule


def in_place(operands: int) -> Rule:
    """The operands are read and the first is written."""

    def rule(arguments: Arguments) -> Moved | None:
        target = arguments.tensor(0)
        if target is None:
            return None
        return Moved(arguments.at(*range(operands)), (target,), compute=promoted(arguments, range(operands)))

    return rule


def like_first(operands: int) -> Rule:
    """A result like the first operand."""

    def rule(arguments: Arguments) -> Moved | None:
        first = arguments.tensor(0)
        if first is None:
            return None
        written = result(first.shape, first.dtype, arguments.after(operands))
        return Moved(arguments.at(*range(operands)), (written,))

    return rule


def overwritten(arguments: Arguments) -> Moved | None:
    """The first tensor is filled from what the others hold, or from nothing."""
    target = arguments.tensor(0)
    return None if target is None else Moved(arguments.at(1, 2), (target,))


def dropped_out(arguments: Arguments) -> Moved | None:
    """`native_dropout`: the result and a mask."""
    x = arguments.tensor(0)
    if x is None:
        return None
    return Moved((x,), (result(x.shape, x.dtype), Tensor(x.shape, "bool")))


def made_complex(arguments: Arguments) -> Moved | None:
    """`complex` and `polar`: one number of two real ones."""
    moved = elementwise(2)(arguments)
    if moved is None or moved.compute is None:
        return None
    return moved._replace(writes=(result(moved.writes[0].shape, as_complex(moved.compute)),))


def divided(arguments: Arguments) -> Moved | None:
    """`div`: whole numbers give real ones, unless a third argument, a word, says how to round."""
    is_rounded = len(arguments) > 2 and arguments.tensor(2) is None
    return elementwise(2, floats=not is_rounded)(arguments)


def like(position: int, reads: tuple[int, ...], results: int = 1) -> Rule:
    """What is at `reads` gives results like the tensor at `position`."""

    def rule(arguments: Arguments) -> Moved | None:
        model = arguments.tensor(position)
        if model is None:
            return None
        return Moved(arguments.at(*reads), (result(model.shape, model.dtype),) * results)

    return rule


def half_of_last(arguments: Arguments) -> Moved | None:
    """`glu`: one half of a dimension gates the other."""
    x, dim = arguments.tensor(0), arguments.integer(1, -1)
    if x is None or not -len(x.shape) <= dim < len(x.shape):
        return None
    shape = list(x.shape)
    shape[dim] //= 2
    return Moved((x,), (result(shape, x.dtype, arguments.after(2)),))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SAME: Final = {
    1: _words(
        """
        neg relu relu6 silu gelu mish hardtanh hardswish hardsigmoid leaky_relu elu celu selu softplus
        softshrink hardshrink threshold sign sgn ceil floor round trunc frac square bitwise_not nan_to_num
        positive conj_physical
        """
    ),
    2: _words(
        """
        add sub rsub mul maximum minimum fmax fmin remainder fmod floor_divide pow clamp_min clamp_max
        bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift heaviside hypot
        mse_loss smooth_l1_loss huber_loss prelu _prelu_kernel gcd lcm nextafter __and__ __or__ __xor__
        silu_backward gelu_backward threshold_backward sigmoid_backward tanh_backward mish_backward
        hardtanh_backward hardswish_backward hardsigmoid_backward leaky_relu_backward softplus_backward
        native_dropout_backward logit_backward hardshrink_backward softshrink_backward
        """
    ),
    3: _words(
        """
        clamp lerp addcmul addcdiv mse_loss_backward smooth_l1_loss_backward huber_loss_backward
        binary_cross_entropy_with_logits
        """
    ),
}
"""Names by number of operands; the result has their common type."""

_REAL: Final = _words(
    """
    exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh
    atanh sigmoid erf erfc erfinv reciprocal logit lgamma digamma
    """
)
"""Functions of one real number: of whole numbers they give float32."""

_COMPARE: Final = _words(
    """
    eq ne lt le gt ge logical_and logical_or logical_xor isclose greater greater_equal less less_equal
    not_equal
    """
)
_TEST: Final = _words("isnan isinf isfinite isposinf isneginf signbit logical_not")
_OVERWRITE: Final = _words(
    """
    fill_ zero_ normal_ uniform_ random_ bernoulli_ exponential_ cauchy_ log_normal_ geometric_ copy_
    _copy_from
    """
)


def _rules() -> dict[str, Rule]:
    counts = {name: operands for operands, names in _SAME.items() for name in names}
    found: dict[str, Rule] = {name: elementwise(operands) for name, operands in counts.items()}
    in_places = {name: in_place(operands) for name, operands in counts.items()}
    found.update({name: elementwise(1, floats=True) for name in _REAL})
    in_places.update({name: in_place(1) for name in _REAL})
    for names, operands in ((_COMPARE, 2), (_TEST, 1)):
        found.update({name: elementwise(operands, gives="bool") for name in names})
        in_places.update({name: in_place(operands) for name in names})
    for name in ("div", "true_divide", "atan2", "xlogy", "copysign", "logaddexp", "logaddexp2"):
        found[name], in_places[name] = elementwise(2, floats=True), in_place(2)
    found["div"] = found["divide"] = divided
    found["abs"], in_places["abs"] = real_first(elementwise(1)), in_place(1)
    found["angle"] = real_first(elementwise(1, floats=True))
    found["complex"] = found["polar"] = made_complex
    found["elu_backward"] = like(5, (0, 5))
    found["glu_backward"] = like(1, (0, 1))
    found["_prelu_kernel_backward"] = like(1, (0, 1, 2), results=2)
    found["where"] = elementwise(3, first=1)
    found["masked_fill"], in_places["masked_fill"] = _masked_fill, in_place(3)
    found.update({f"{name}_": rule for name, rule in in_places.items()})
    found.update(dict.fromkeys(_OVERWRITE, overwritten))
    found.update({"native_dropout": dropped_out, "_fused_dropout": dropped_out, "glu": half_of_last})
    return {f"aten::{name}": rule for name, rule in found.items()}


def _masked_fill(arguments: Arguments) -> Moved | None:
    """The type is that of the first operand, whatever is filled in."""
    moved, x = elementwise(3)(arguments), arguments.tensor(0)
    if moved is None or x is None:
        return None
    return moved._replace(writes=(result(moved.writes[0].shape, x.dtype),), compute=x.dtype)


RULES: Final = _rules()
