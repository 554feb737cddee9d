"""What passes between the parts of a fleet: what to read, and what came of it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Literal

import msgspec

Status = Literal["done", "unreadable", "failed", "lost", "duplicate"]
SETTLED: Final = frozenset({"done", "duplicate", "unreadable"})
"""What trying again would not change, as long as the source is the same."""
_DIGEST_BYTES: Final = 16


class Item(msgspec.Struct, frozen=True):
    """A trace to be read.

    `source` is a path or URL. `stamp` changes when its content does ('' where the store does not tell), and
    `size` is in bytes.
    """

    source: str
    stamp: str = ""
    size: int | None = None

    @property
    def key(self) -> bytes:
        """What tells this item from every other, and from itself before it changed."""
        return blake2b(f"{self.source}\0{self.stamp}".encode(), digest_size=_DIGEST_BYTES).digest()


class Task(msgspec.Struct, frozen=True):
    """A trace to be read, and the facts that the user gave; `from_path` is a pattern with groups."""

    item: Item
    facts: dict[str, str] = {}
    from_path: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a task: tables as streams of Arrow IPC, or the `reason` why there are none.

    `digest` is of the bytes of the file, 32 hexadecimal digits; `facts` are those of the run.
    """

    item: Item
    status: Status
    reason: str = ""
    digest: str = ""
    facts: dict[str, str] = {}
    tables: dict[str, bytes] = {}
    cpu_s: float = 0.0
    """Processor time of the task."""


encode = msgspec.msgpack.Encoder().encode
decode_task = msgspec.msgpack.Decoder(Task).decode
decode_outcome = msgspec.msgpack.Decoder(Outcome).decode


def lost(item: Item) -> bytes:
    """The outcome, encoded, of a task whose process ended twice."""
    reason = "its process ended without an answer, twice; memory may have run out"
    return encode(Outcome(item, "lost", reason))
