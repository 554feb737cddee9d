"""Which calls make one iteration, where a script calls several pipelines in turn."""

from __future__ import annotations


class Turns:
    """A turn begins with a call of the first pipeline that was ever called.

    A refiner that follows its base, or a decoder its prior, belongs to the same turn. How many calls a turn
    has is known once the second one begins, or where only one pipeline was made.
    """

    def __init__(self) -> None:
        self._leader: int | None = None
        self._size = 0
        self._calls = 0
        self._is_open = False

    def begins_with(self, pipeline: int) -> bool:
        """Whether the call of a pipeline (its id) that comes now begins a turn; then it is open."""
        if self._leader is None:
            self._leader = pipeline
        elif self._is_open and pipeline == self._leader:
            self._size = self._calls
        elif self._is_open:
            return False
        self._is_open, self._calls = True, 0
        return True

    def ends_now(self, pipelines: int) -> bool:
        """Whether the call that just ended was its turn's last, as far as known; then the turn is closed.

        `pipelines`: how many were made.
        """
        self._calls += 1
        if self._calls >= (self._size or (1 if pipelines <= 1 else self._calls + 1)):
            self._is_open = False
        return not self._is_open

    def abandon(self) -> None:
        """The call failed: the turn does not count."""
        self._is_open = False
