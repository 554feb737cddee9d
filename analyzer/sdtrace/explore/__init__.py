"""What a reader may select in a page: every table of a part of a run, from sums that are taken once."""

from sdtrace.explore.explored import Explored, explore

__all__ = ["Explored", "explore"]
