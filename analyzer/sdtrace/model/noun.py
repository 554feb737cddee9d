"""What people call one iteration."""

from __future__ import annotations

from collections.abc import Iterable

_IMAGE_PARTS = frozenset({"unet", "transformer", "vae"})
_IMAGE_MARK = "model_inference"


def noun_of(components: Iterable[str], iterations: Iterable[str]) -> str:
    """What one iteration makes, by the names of components and iterations.

    >>> noun_of(["unet", "vae"], []), noun_of([], ["ProfilerStep#3"])
    ('image', 'iteration')
    """
    is_image = not _IMAGE_PARTS.isdisjoint(components) or _IMAGE_MARK in iterations
    return "image" if is_image else "iteration"
