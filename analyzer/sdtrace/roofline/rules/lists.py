"""Ops on lists of tensors: `_foreach_*`, and optimizers in one kernel."""

from __future__ import annotations

from typing import Final

from sdtrace.roofline.arguments import Arguments, Tensor
from sdtrace.roofline.moved import Moved, Rule, result


def each(*, in_place: bool = False, reads_first: bool = True) -> Rule:
    """One result for each tensor of the first list, from those of all lists at its place."""

    def rule(arguments: Arguments) -> Moved | None:
        targets = arguments.listed(0)
        if not targets:
            return None
        others = arguments.at(*range(1, len(arguments)))
        reads = (*targets, *others) if reads_first else others
        return Moved(reads, targets if in_place else tuple(result(t.shape, t.dtype) for t in targets))

    return rule


def each_norm(arguments: Arguments) -> Moved | None:
    """One number for each tensor."""
    tensors = arguments.listed(0)
    return Moved(tensors, tuple(Tensor((), t.dtype) for t in tensors)) if tensors else None


def updates(*written: int) -> Rule:
    """Everything is read, the lists at these positions are written."""

    def rule(arguments: Arguments) -> Moved | None:
        return Moved(arguments.all(), arguments.at(*written)) if arguments.listed(0) else None

    return rule


_NAMES: Final = """
    abs add addcdiv addcmul ceil clamp_max clamp_min cos div erf exp expm1 floor frac lerp log log10 log1p
    log2 maximum minimum mul neg pow reciprocal round rsqrt sigmoid sign sin sqrt sub tan tanh
"""
_EACH: Final = _NAMES.split()
_ADAM: Final = updates(0, 2, 3)
_AMSGRAD: Final = 11


def _adam(arguments: Arguments) -> Moved | None:
    """Parameters and both moments are written; with `amsgrad` the greatest second moment as well."""
    return (updates(0, 2, 3, 4) if arguments.flag(_AMSGRAD) else _ADAM)(arguments)


RULES: Final[dict[str, Rule]] = {
    **{f"aten::_foreach_{name}": each() for name in _EACH},
    **{f"aten::_foreach_{name}_": each(in_place=True) for name in _EACH},
    "aten::_foreach_copy_": each(in_place=True, reads_first=False),
    "aten::_foreach_zero_": each(in_place=True, reads_first=False),
    "aten::_foreach_norm": each_norm,
    "aten::_fused_adam_": _adam,
    "aten::_fused_adamw_": _adam,
    "aten::_fused_sgd_": updates(0, 2),
    "aten::_fused_adagrad_": updates(0, 2),
    "aten::_amp_foreach_non_finite_check_and_unscale_": updates(0, 1),
}
