"""How many runs without the profiler come before the profiled ones: the others come after."""

from __future__ import annotations


def before_profile(count: int) -> int:
    """The larger half: a host that is slow for a while shows in the difference.

    >>> [before_profile(count) for count in range(4)]
    [0, 1, 1, 2]
    """
    return (count + 1) // 2
