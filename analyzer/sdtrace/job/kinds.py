"""Kinds of collectives: their names in traces, their sizes, and what they cost on the links."""

from __future__ import annotations

import re
from typing import Final

from sdtrace.roofline.dtypes import SPELLINGS, item_size

_KINDS: Final = (
    ("all_reduce", re.compile(r"all_?reduce|cross_device_reduce|(?:one|two)_?shot", re.IGNORECASE)),
    ("reduce_scatter", re.compile(r"reduce_?scatter", re.IGNORECASE)),
    ("all_gather", re.compile(r"all_?gather", re.IGNORECASE)),
    ("all_to_all", re.compile(r"all_?to_?all|a2a", re.IGNORECASE)),
    ("send_recv", re.compile(r"send_?recv|^_?(?:send|recv)|p2p|coalesced$", re.IGNORECASE)),
    ("broadcast", re.compile(r"broadcast", re.IGNORECASE)),
    ("barrier", re.compile(r"barrier", re.IGNORECASE)),
    ("scatter", re.compile(r"scatter", re.IGNORECASE)),
    ("gather", re.compile(r"gather", re.IGNORECASE)),
    ("reduce", re.compile(r"reduce", re.IGNORECASE)),
)
"""The first that is found in a name."""
KINDS: Final = frozenset(kind for kind, _ in _KINDS)
_NO_COLLECTIVES: Final = re.compile(r"wait|^init|startCoalesced|endCoalesced", re.IGNORECASE)
"""Other calls of which torch records the communicator's parameters."""
TOGETHER: Final = frozenset({"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "barrier"})
"""Kinds that no rank can leave before the last one has come."""
_SHORT: Final = {"half": "float16", "bfloat16": "bfloat16", "byte": "uint8", "char": "int8"}


def kind_of(name: str) -> str | None:
    """The kind that a recorded name or a kernel's name tells; None for what is no collective.

    >>> kind_of("_allgather_base"), kind_of("ncclDevKernel_AllReduce_Sum_f32_RING_LL(...)"), kind_of("wait")
    ('all_gather', 'all_reduce', None)
    """
    if not name or _NO_COLLECTIVES.search(name):
        return None
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), name.lstrip("_"))


def dtype_of(name: str) -> str:
    """torch's name of a type: `bfloat16` of `BFloat16` or `c10::BFloat16`; an unknown one as it stands."""
    short = name.removeprefix("c10::")
    return SPELLINGS.get(name) or _SHORT.get(short.lower()) or SPELLINGS.get(short.lower()) or short.lower()


def nbytes_of(elements: int, dtype: str) -> int | None:
    """Bytes of so many elements; None where the type is not known."""
    size = item_size(dtype)
    return None if size is None else elements * size


def bus_factor(kind: str, ranks: int) -> float | None:
    """By what the algorithm bandwidth is multiplied for the bandwidth on the links.

    As NVIDIA's nccl-tests have it (doc/PERFORMANCE.md): 2(n-1)/n for all_reduce; (n-1)/n for all_gather,
    reduce_scatter and all_to_all, whose size is that of the whole; 1 for broadcast, reduce and a send. None
    where nothing crosses a link, or the kind is another.

    >>> bus_factor("all_reduce", 4), bus_factor("all_gather", 4), bus_factor("broadcast", 4)
    (1.5, 0.75, 1.0)
    """
    if ranks < 2 or kind == "barrier":
        return None
    if kind == "all_reduce":
        return 2 * (ranks - 1) / ranks
    if kind in ("all_gather", "reduce_scatter", "all_to_all", "gather", "scatter"):
        return (ranks - 1) / ranks
    return 1.0 if kind in ("broadcast", "reduce", "send_recv") else None
