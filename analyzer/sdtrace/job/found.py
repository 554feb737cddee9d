"""A call of a collective while it is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdtrace.job.peers import Peer

Args = Mapping[str, Any]


@dataclass
class Found:
    """The host event (-1 for none), what it says, and its pieces of device work.

    `batch` are pieces that do the work of several calls, among them this one.
    """

    event: int
    kind: str
    args: Args
    work: list[int]
    peer: Peer | None = None
    batch: list[int] = field(default_factory=list)
