"""The bytes that a kernel of Inductor moves: what it uses of each argument, in its direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from sdtrace.attribution.template_flops import template_flops
from sdtrace.roofline.arguments import Tensor, parse_arguments
from sdtrace.roofline.traffic import Traffic

TEMPLATE: Final = "triton_tem_"
"""Inductor's products, convolutions and attention; the kernels it writes itself have other names."""

_READ, _WRITTEN, _BOTH, _WORKSPACE = "i", "o", "b", "w"
_WHOLE: Final = 0.95
"""An argument of which more than this is used counts as a whole: the use is found from samples."""


class Access(NamedTuple):
    """What a launch touches in bytes: see `sdtrace_collector.kernel_access`."""

    touched: tuple[int | None, ...]
    again: tuple[tuple[int, int], ...]


class KernelFacts(NamedTuple):
    """What a trace says of Inductor's kernels, by `kernel_hash`; of templates, which have none, by name.

    `roles` has a letter per pointer: `i` read, `o` written, `b` both, `w` workspace, which nothing must move
    (see `sdtrace_collector.compiled_kernels`).
    """

    roles: Mapping[str, str]
    access: Mapping[str, Access]


NO_FACTS: Final = KernelFacts({}, {})


def kernel_facts(run: Mapping[str, object]) -> KernelFacts:
    """The facts in those of a run; what has another form is left out.

    >>> kernel_facts({"triton_arguments": {"c1": "io"}, "triton_access": {"c1": {"touched": [8, "?"]}}})
    KernelFacts(roles={'c1': 'io'}, access={})
    """
    letters, touched = run.get("triton_arguments"), run.get("triton_access")
    roles = letters.items() if isinstance(letters, dict) else ()
    access = touched.items() if isinstance(touched, dict) else ()
    found = {str(key): _access(value) for key, value in access}
    return KernelFacts(
        {str(key): value for key, value in roles if isinstance(value, str)},
        {key: value for key, value in found.items() if value is not None},
    )


def _access(value: object) -> Access | None:
    entry = value if isinstance(value, dict) else {}
    touched, again = entry.get("touched"), entry.get("again", [])
    if not isinstance(touched, list) or not isinstance(again, list):
        return None
    pairs = [tuple(pair) for pair in again if isinstance(pair, list)]
    numbers = [number for number in touched if number is not None]
    numbers += [number for pair in pairs for number in pair]
    if len(pairs) != len(again) or not all(type(number) is int and number >= 0 for number in numbers):
        return None
    return Access(tuple(touched), tuple((a, b) for a, b in pairs)) if {*map(len, pairs)} <= {2} else None


def triton_traffic(
    name: str, args: Mapping[str, object], facts: KernelFacts, cache_bytes: int | None = None
) -> Traffic | None:
    """What the launch `name` with `args` (as recorded, decoded from JSON) moves; None where Triton made none.

    An argument counts as far as it is used, where the facts say so, else as a whole. Without the letters of
    its pointers it is a bound: the last one is written, as in most kernels, all before it are read. In a
    product or a convolution of Inductor's templates that is so.
    `dram_bytes_read` adds what is read again after more bytes than the card's cache of `cache_bytes` holds.

    >>> args = {"kernel_backend": "triton", "kernel_hash": "c1", "Input Dims": [[8, 320], [8, 320], []],
    ...         "Input type": ["float", "c10::Half", "Scalar"]}
    >>> traffic = triton_traffic("triton_poi_fused_0", args, KernelFacts({"c1": "io"}, {}))
    >>> traffic.bytes_read, traffic.bytes_written, traffic.exact
    (10240, 5120, True)
    """
    if args.get("kernel_backend") != "triton":
        return None
    pointers = [item for item in parse_arguments(args).inputs if isinstance(item, Tensor)]
    key = str(args.get("kernel_hash") or name)
    letters = facts.roles.get(key, "")
    exact = len(letters) == len(pointers) and set(letters) <= {_READ, _WRITTEN, _BOTH, _WORKSPACE}
    if not exact:
        exact = template_flops(name, args) > 0 and not letters
        letters = _READ * (len(pointers) - 1) + _WRITTEN
    sizes = [pointer.nbytes or 0 for pointer in pointers if pointer.nbytes is not None]
    if not sizes or len(sizes) < len(pointers):
        return None
    access = facts.access.get(key) if exact else None
    known = access is not None and len(access.touched) == len(sizes)
    used = _used(sizes, access.touched) if access is not None and known else sizes
    read = sum(size for letter, size in zip(letters, used, strict=True) if letter in (_READ, _BOTH))
    written = sum(size for letter, size in zip(letters, used, strict=True) if letter in (_WRITTEN, _BOTH))
    again = _again(access, cache_bytes) if access is not None and known else None
    dtype = _operand(pointers).dtype if name.startswith(TEMPLATE) else pointers[-1].dtype
    in_place = sum(size for letter, size in zip(letters, used, strict=True) if letter == _BOTH)
    return Traffic(read, written, exact, dtype, None if again is None else read + again, in_place)


def _used(sizes: Sequence[int], touched: Sequence[int | None]) -> list[int]:
    pairs = zip(sizes, touched, strict=True)
    return [size if use is None or use > _WHOLE * size else use for size, use in pairs]


def _again(access: Access, cache_bytes: int | None) -> int | None:
    """Bytes that are fetched once more; None where that is not known."""
    if None in access.touched or (access.again and cache_bytes is None):
        return None
    return sum(size for after, size in access.again if after > (cache_bytes or 0))


def _operand(pointers: Sequence[Tensor]) -> Tensor:
    """What a template multiplies: the first that is followed by another with two dimensions or more."""
    pairs = pairwise(pointers)
    return next((a for a, b in pairs if min(len(a.shape), len(b.shape)) >= 2), pointers[-1])
