"""What may be set, as the loop sees it: points, the moves between them, and how like the pictures must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from sdtrace_collector.likeness import is_same_picture
from sdtrace_collector.tune import cures
from sdtrace_collector.tune.cures import Candidate, Settings, Where
from sdtrace_collector.variants import Axes

Point = Mapping[str, str]
"""A value for each axis."""


class Space(Protocol):
    """The settings of one kind of run."""

    def advised(self, findings: list[Any], point: Point, where: Where) -> Iterator[Candidate]:
        """Settings that the findings suggest, best finding first, that are not set and make sense."""

    def known_to_help(self, point: Point, where: Where) -> Iterator[Candidate]:
        """Settings that helped elsewhere on such a device, each alone."""

    def moved(self, point: Point, settings: Settings, where: Where) -> Point | None:
        """The point with these settings; None where that changes nothing, cannot run or makes no sense."""

    def is_compiled(self, point: Point) -> bool:
        """Whether a trial of it compiles, which takes most of its time."""

    def is_same_picture(self, psnr: float, point: Point, device: str) -> bool:
        """Whether a picture is as like the start's as what was set allows."""


class VariantSpace:
    """The axes of `sdtrace variants`."""

    def advised(self, findings: list[Any], point: Point, where: Where) -> Iterator[Candidate]:
        """As `Space` says."""
        return cures.advised(findings, Axes(**point), where)

    def known_to_help(self, point: Point, where: Where) -> Iterator[Candidate]:
        """As `Space` says."""
        return cures.known_to_help(Axes(**point), where)

    def moved(self, point: Point, settings: Settings, where: Where) -> Point | None:
        """As `Space` says."""
        after = cures.moved(Axes(**point), settings, where)
        return None if after is None else asdict(after)

    def is_compiled(self, point: Point) -> bool:
        """As `Space` says."""
        return Axes(**point).compiled

    def is_same_picture(self, psnr: float, point: Point, device: str) -> bool:
        """As `Space` says."""
        return is_same_picture(psnr, Axes(**point), device)
