"""What one call was asked for and what it made: steps, batch, height and width."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from sdtrace_collector.script.outputs import made_in


class CallFacts(NamedTuple):
    """None where nothing tells."""

    steps: int | None
    batch: int | None
    height: int | None
    width: int | None


def facts_of_call(
    call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> CallFacts:
    """The facts of a call that ended: from its arguments, their defaults, and what it returned."""
    given = _arguments(call, args, kwargs)
    batch, height, width = _size(result)
    return CallFacts(
        steps=_whole(given.get("num_inference_steps")),
        batch=batch,
        height=_whole(given.get("height")) or height,
        width=_whole(given.get("width")) or width,
    )


def _arguments(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """By name, with defaults; a modular pipeline's own come after what its signature says."""
    try:
        bound = inspect.signature(call).bind_partial(*args, **kwargs)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    defaults = getattr(args[0], "default_call_parameters", None) if args else None
    return {**(defaults if isinstance(defaults, dict) else {}), **bound.arguments, **kwargs}


def _size(result: Any) -> tuple[int | None, int | None, int | None]:
    """How many images, videos or sounds a result holds, and the height and width of one."""
    made = made_in(result)
    if isinstance(made, tuple) and made:
        made = made[0]
    shape = getattr(made, "shape", None)
    if shape is not None and len(shape) >= 3:
        sides = shape[-3:-1] if shape[-1] <= 4 else shape[-2:]
        return int(shape[0]), int(sides[0]), int(sides[1])
    if not isinstance(made, list) or not made:
        return None, None, None
    one = made[0][0] if isinstance(made[0], list) and made[0] else made[0]
    size = getattr(one, "size", None)
    if isinstance(size, tuple):  # PIL
        return len(made), int(size[1]), int(size[0])
    _, height, width = _size(one) if hasattr(one, "shape") else (None, None, None)
    return len(made), height, width


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
