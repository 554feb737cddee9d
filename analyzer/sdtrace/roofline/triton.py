"""The bytes that a kernel of Inductor moves: the sizes of its arguments, each in its direction."""

from __future__ import annotations

from collections.abc import Mapping

from sdtrace.roofline.arguments import Tensor, parse_arguments
from sdtrace.roofline.traffic import Traffic

_READ, _WRITTEN, _BOTH, _WORKSPACE = "i", "o", "b", "w"


def triton_traffic(args: Mapping[str, object], roles: Mapping[str, str]) -> Traffic | None:
    """What the launch with `args` (as recorded, decoded from JSON) moves; None when it is no Triton launch.

    `roles` has a letter per pointer for each `kernel_hash`: `i` read, `o` written, `b` both, `w` workspace,
    which nothing must move (see `sdtrace_collector.compiled_kernels`). Without them, or with other letters,
    it is a bound: the last pointer is written, as in most kernels, all before it are read. A kernel may use a
    part of an argument: its whole size counts.

    >>> args = {"kernel_backend": "triton", "kernel_hash": "c1", "Input Dims": [[8, 320], [8, 320], []],
    ...         "Input type": ["float", "c10::Half", "Scalar"]}
    >>> triton_traffic(args, {"c1": "io"})
    Traffic(bytes_read=10240, bytes_written=5120, exact=True, compute_dtype='float16')
    """
    if args.get("kernel_backend") != "triton":
        return None
    pointers = [item for item in parse_arguments(args).inputs if isinstance(item, Tensor)]
    letters = roles.get(str(args.get("kernel_hash")), "")
    exact = len(letters) == len(pointers) and set(letters) <= {_READ, _WRITTEN, _BOTH, _WORKSPACE}
    if not exact:
        letters = _READ * (len(pointers) - 1) + _WRITTEN
    sizes = [pointer.nbytes for pointer in pointers]
    if not sizes or None in sizes:
        return None
    known = [(letter, size or 0) for letter, size in zip(letters, sizes, strict=True)]
    read = sum(size for letter, size in known if letter in (_READ, _BOTH))
    written = sum(size for letter, size in known if letter in (_WRITTEN, _BOTH))
    return Traffic(read, written, exact, pointers[-1].dtype)
