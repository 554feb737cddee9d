"""What a pipeline made, in whatever it returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_NAMES: Final = ("images", "videos", "frames", "audios", "image_embeds", "sample")


def made_in(result: Any) -> Any:
    """The images, videos or sounds in an output, a dictionary or a modular pipeline's state.

    The result itself where it holds none under a name that pipelines use.

    >>> made_in({"latents": 1, "images": [2]}), made_in([3])
    ([2], [3])
    """
    for name in _NAMES:
        found = result.get(name) if isinstance(result, Mapping) else getattr(result, name, None)
        if found is not None:
            return found
    return result
