"""What the source of Inductor's Triton kernels says of their arguments, which no profiler records."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_ROLES: Final = (("in_out_ptr", "b"), ("in_ptr", "i"), ("out_ptr", "o"), ("ws_ptr", "w"))
_OPERANDS: Final = re.compile(r"arg_(?:[ABCDXW]|dY|[AB]_inverse_scale)")
"""What Inductor's templates of products and convolutions read."""
_DEFINITION: Final = re.compile(r"^def triton_\w+\(([^)]*)\)", re.MULTILINE)
_KERNEL_PATH: Final = re.compile(r"^# kernel path: (.*\.py)$", re.MULTILINE)
_HEURISTICS: Final = "triton_heuristics"
_MOST_BYTES: Final = 1 << 20


def argument_roles(sources: Iterable[Path]) -> dict[str, str]:
    """Which pointers of each kernel are read and which are written, from the sources of Triton kernels.

    Keys are the `kernel_hash` that the profiler records with a launch, which is the name of the source file.
    Values have a letter for each pointer, in the order of the arguments: `i` is read, `o` is written, `b` is
    both, `w` is workspace, `?` is another one. What is no such source is passed over.

    >>> argument_roles([Path("no such file.py")])
    {}
    """
    roles = {}
    for source in sources:
        if not source.is_file() or source.stat().st_size > _MOST_BYTES:
            continue
        text = source.read_text(encoding="utf-8", errors="replace")
        found = _DEFINITION.search(text) if _HEURISTICS in text else None
        if found is not None:
            roles[source.stem] = "".join(_role(name.strip()) for name in found[1].split(","))
    return roles


def kernel_sources() -> set[Path]:
    """The sources of the kernels that this process compiled or loaded: Inductor's code names them."""
    codecache = sys.modules.get("torch._inductor.codecache")
    modules = codecache.PyCodeCache.modules if codecache is not None else []
    texts = (_text_of(getattr(module, "__file__", None)) for module in modules)
    return {Path(path) for text in texts for path in _KERNEL_PATH.findall(text)}


def _text_of(file: str | None) -> str:
    path = Path(file or "")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _role(name: str) -> str:
    """The letter of a pointer; nothing for sizes and constants."""
    for start, letter in _ROLES:
        if name.startswith(start):
            return letter
    if _OPERANDS.fullmatch(name):
        return "i"
    return "?" if "ptr" in name or name.startswith("arg_") else ""
