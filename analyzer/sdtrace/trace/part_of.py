"""What a part of a trace tells about the whole: how long the part is, and iterations found in the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

KEY: Final = "sdtrace_part"
"""The key beside the events."""
_LIMIT: Final = 1 << 62
_LONGEST_NS: Final = 1 << 50
_Time = Annotated[int, msgspec.Meta(ge=-_LIMIT, le=_LIMIT)]


class WholeIteration(msgspec.Struct, frozen=True):
    """An iteration of the whole trace that lies in the part; times are nanoseconds as the file has them."""

    name: str
    start_ns: _Time
    end_ns: _Time
    is_whole: bool
    confidence: Literal["certain", "likely", "guess"]


class PartOf(msgspec.Struct, frozen=True):
    """From when to when the part lasts at least, in nanoseconds as the file has them, and its iterations.

    Events that were left out of the part, such as Python functions, may have begun or ended it.
    """

    start_ns: _Time
    end_ns: _Time
    iterations: Sequence[WholeIteration] = ()


def part_of(top_level: Mapping[str, Any], near_ns: int) -> PartOf | None:
    """What the keys beside the events tell; None where they tell nothing, or what cannot be.

    Times are near `near_ns`, as those of events are, and iterations are in order and do not overlap.
    """
    try:
        part = msgspec.convert(top_level.get(KEY), PartOf)
    except msgspec.ValidationError:
        return None
    edges = [part.start_ns, *(edge for one in part.iterations for edge in (one.start_ns, one.end_ns))]
    edges.append(part.end_ns)
    is_sound = edges == sorted(edges) and all(abs(edge - near_ns) < _LONGEST_NS for edge in edges)
    return part if is_sound else None
