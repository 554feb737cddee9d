"""A run of a script for `sdtrace tune`: its pipelines with other settings, and the first picture it makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sdtrace_collector.script.outputs import made_in
from sdtrace_collector.script.outside import Outside, apply, around
from sdtrace_collector.script.record import ScriptFacts


class Trial:
    """`settings` for the pipelines that the script calls; where the picture and the facts go."""

    def __init__(self, settings: Outside, picture: Path, facts: Path) -> None:
        self.settings, self._picture, self._facts = settings, picture, facts
        self._prepared: dict[int, Any] = {}

    def prepared(self, call: Callable[..., Any], pipe: Any) -> Callable[..., Any]:
        """The pipeline's call under the settings, which are put on it once.

        Raises:
            DoesNotApply: the pipeline, or what is installed, cannot do what they say.
        """
        if id(pipe) not in self._prepared:
            self._prepared[id(pipe)] = pipe
            apply(pipe, self.settings)
        return around(pipe, call, self.settings)

    def made(self, result: Any) -> None:
        """Keeps the picture of the first call."""
        picture = picture_of(result)
        if picture is not None and not self._picture.exists():
            np.save(self._picture, picture)

    def write(self, facts: ScriptFacts) -> None:
        """Writes the facts of the run."""
        self._facts.write_bytes(msgspec.json.encode(facts))


def picture_of(result: Any) -> NDArray[np.float32] | None:
    """The first image, video or sound of what a pipeline returned, in [0, 1] where it says its range.

    None where there is nothing of numbers in it.
    """
    made = made_in(result)
    while isinstance(made, list | tuple) and made and not _is_array(made):
        made = made[0]
    if hasattr(made, "detach"):
        made = made.detach().float().cpu().numpy()
    try:
        values = np.asarray(made)
    except (TypeError, ValueError):
        return None
    if values.dtype.kind not in "fiub" or not values.size:
        return None
    largest = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
    return values.astype(np.float32) / np.float32(largest)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape")
