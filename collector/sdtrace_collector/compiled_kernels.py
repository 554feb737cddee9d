"""What the source of Inductor's Triton kernels says of their arguments, which no profiler records."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_ROLES: Final = (("in_out_ptr", "b"), ("in_ptr", "i"), ("out_ptr", "o"), ("ws_ptr", "w"))
_OPERANDS: Final = re.compile(r"arg_(?:[ABCDXWQKV]|dY|[AB]_inverse_scale|(?:FULL_)?KV_(?:NUM_BLKS|IDX))")
"""What Inductor's templates of products, convolutions and attention read."""
_SUMS: Final = re.compile(r"arg_(?:LSE|MAX|M|L)")
"""What attention writes beside its result, where it is asked to."""
_NO_SUMS: Final = re.compile(r"OUTPUT_LOGSUMEXP : tl\.constexpr = False")
_DEFINITION: Final = re.compile(r"^def (triton_\w+)\(([^)]*)\)", re.MULTILINE)
_TEMPLATE: Final = "triton_tem_"
_KERNEL_PATH: Final = re.compile(r"^# kernel path: (.*\.py)$", re.MULTILINE)
_HEURISTICS: Final = "triton_heuristics"
_MOST_BYTES: Final = 1 << 20


def argument_roles(sources: Iterable[Path]) -> dict[str, str]:
    """Which pointers of each kernel are read and which are written, from the sources of Triton kernels.

    Keys are the `kernel_hash` that the profiler records with a launch, which is the name of the source file.
    Launches of templates come without: their names are keys too, where all templates of a name are alike.
    Values have a letter for each pointer, in the order of the arguments: `i` is read, `o` is written, `b` is
    both, `w` is workspace, `?` is another one. What is no such source is passed over.

    >>> argument_roles([Path("no such file.py")])
    {}
    """
    roles: dict[str, str] = {}
    by_name: dict[str, set[str]] = {}
    for source in sources:
        if not source.is_file() or source.stat().st_size > _MOST_BYTES:
            continue
        text = source.read_text(encoding="utf-8", errors="replace")
        found = _DEFINITION.search(text) if _HEURISTICS in text else None
        if found is not None:
            sums = "w" if _NO_SUMS.search(text) else "o"
            letters = "".join(_role(name.strip(), sums) for name in found[2].split(","))
            roles[source.stem] = letters
            if found[1].startswith(_TEMPLATE):
                by_name.setdefault(found[1], set()).add(letters)
    return roles | {name: letters.pop() for name, letters in by_name.items() if len(letters) == 1}


def kernel_sources() -> set[Path]:
    """The sources of the kernels that this process compiled or loaded: Inductor's code names them."""
    codecache = sys.modules.get("torch._inductor.codecache")
    modules = codecache.PyCodeCache.modules if codecache is not None else []
    texts = (_text_of(getattr(module, "__file__", None)) for module in modules)
    return {Path(path) for text in texts for path in _KERNEL_PATH.findall(text)}


def _text_of(file: str | None) -> str:
    path = Path(file or "")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _role(name: str, sums: str) -> str:
    """The letter of a pointer; nothing for sizes and constants. `sums` is that of an attention's sums."""
    for start, letter in _ROLES:
        if name.startswith(start):
            return letter
    if _OPERANDS.fullmatch(name):
        return "i"
    if _SUMS.fullmatch(name):
        return sums
    return "?" if "ptr" in name or name.startswith("arg_") else ""
