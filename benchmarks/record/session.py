"""One scene's walls, as they are kept: `SCENE.truth.json`, written after every turn."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")
LEAST: Final = 3
"""Walls of a setting that are enough to be kept."""


class Session:
    """The walls and notes of one scene, and how much of its time is left."""

    def __init__(self, scene: str, folder: Path, limit_s: float) -> None:
        self.scene, self.folder, self.limit_s = scene, folder, limit_s
        self.truth: dict[str, dict[str, Any]] = {
            "walls_s": {},
            "walls_after_s": {},
            "checks": {},
            "notes": {},
        }
        self.begin()

    def begin(self) -> None:
        """Starts the clock again."""
        self._began = time.monotonic()

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def left_s(self) -> float:
        return self.limit_s - self.spent_s

    def say(self, words: str) -> None:
        """Writes a line to the log."""
        print(f"[{self.spent_s:6.1f} s] {words}", flush=True)

    def guarded(self, setting: str, what: str, action: Callable[[], T]) -> T | None:
        """What the action returns; None where it fails: then a note and a traceback in the log say so."""
        try:
            return action()
        except Exception:  # noqa: BLE001 - a setting that fails loses only itself
            self.say(f"{setting}: {what} failed")
            traceback.print_exc()
            self.note(setting, f"{what} failed")
            return None

    def succeeds(self, setting: str, what: str, action: Callable[[], object]) -> bool:
        """Whether the action ended without an exception, as `guarded`."""

        def ends() -> bool:
            action()
            return True

        return self.guarded(setting, what, ends) is not None

    def note(self, setting: str, words: str) -> None:
        self.truth["notes"][setting] = words

    def add_turn(self, key: str, measures: dict[str, Callable[[], float]]) -> None:
        """Times every setting once; one that fails is left out from now on."""
        for setting in list(measures):
            wall = self.guarded(setting, key, measures[setting])
            if wall is None:
                del measures[setting]
            else:
                self.truth[key].setdefault(setting, []).append(wall)
        self.save()

    def save(self) -> None:
        """Writes the file whole, or not at all."""
        walls = self.truth["walls_s"]
        kept = {setting: times for setting, times in walls.items() if len(times) >= LEAST}
        part = self.folder / f"{self.scene}.truth.part"
        part.write_text(json.dumps({**self.truth, "walls_s": kept}), encoding="utf-8")
        part.replace(self.folder / f"{self.scene}.truth.json")
