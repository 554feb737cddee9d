"""Small pieces of real traces, as text: the material that mutations start from."""

from __future__ import annotations

import gzip
import os
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

SHARED: Final = (
    "reference/bf16_sdpa_graphs.warm.json.gz",
    "reference/bf16_sdpa_eager.stack.json.gz",
    "third_party/hta_mi250_rocm62_training.json.gz",
    "third_party/hta_ns_resolution_v100.json.gz",
    "third_party/hta_cudagraph_training_a100.json.gz",
)
_SEPARATOR: Final = re.compile(rb"\n  \},\s*\n  \{")
_RUNS, _RUN_LENGTH = 8, 6


@dataclass(frozen=True)
class Seed:
    """A trace in pieces: what comes before the events, each event from brace to brace, what comes after."""

    name: str
    head: bytes
    events: tuple[bytes, ...]
    tail: bytes

    def with_events(self, events: list[bytes]) -> Seed:
        return replace(self, events=tuple(events))

    def data(self) -> bytes:
        return self.head + b",\n".join(self.events) + self.tail

    def ends(self) -> list[int]:
        """Where in the data each event ends."""
        ends, at = [], len(self.head)
        for event in self.events:
            ends.append(at + len(event))
            at = ends[-1] + len(b",\n")
        return ends


def cut_out(path: Path, rng: random.Random) -> Seed:
    """A few runs of neighbouring events from all over the trace."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    head, _, rest = data.partition(b'"traceEvents": [')
    body, _, tail = rest.rpartition(b"]")
    pieces = _SEPARATOR.split(body)
    first, last = pieces[0], pieces[-1]
    pieces[0] = first[first.index(b"{") + 1 :]
    pieces[-1] = last[: last.rindex(b"}")].rstrip(b"\n ")
    starts = sorted(
        rng.sample(range(max(1, len(pieces) - _RUN_LENGTH)), min(_RUNS, len(pieces) // _RUN_LENGTH))
    )
    chosen = [piece for start in starts for piece in pieces[start : start + _RUN_LENGTH]]
    events = tuple(b"  {" + piece + b"\n  }" for piece in chosen)
    return Seed(path.name, head + b'"traceEvents": [\n', events, b"\n  ]" + tail)


def shared_seeds(rng: random.Random) -> list[Seed]:
    """Pieces of the reference traces that are here; there may be none."""
    root = Path(os.environ.get("SDTRACE_SHARED_TRACES", Path(__file__).parents[3] / "shared" / "traces"))
    return [cut_out(root / name, rng) for name in SHARED if (root / name).is_file()]
