"""The layouts in which Kineto writes events, by the numbers of their lines; line 0 is the brace.

Up to torch 2.12 an event is four lines, or seven with arguments:

      {
        "ph": "X", "cat": "kernel", "name": "…", "pid": 0, "tid": 7,
        "ts": 4546829559220.447, "dur": 1.184,
        "args": {
          "External id": 33,      "queued": 0, …, "correlation": 50, …
        }
      },

torch 2.13 gives every field a line of its own, then a line with a comma or nothing, then the arguments.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Shape(NamedTuple):
    """Line numbers within an event; `short` and `long` count its lines without and with arguments."""

    short: int
    long: int
    first_head: int
    last_head: int
    """From category to thread: what repeats from event to event."""
    start: int
    duration: int
    args: int
    flow_category: int


DENSE: Final = Shape(short=4, long=7, first_head=1, last_head=1, start=2, duration=2, args=4, flow_category=2)
SPREAD: Final = Shape(
    short=10, long=13, first_head=2, last_head=5, start=6, duration=7, args=10, flow_category=6
)
_FIRST_EVENT: Final = re.compile(rb'\s*?\n  \{\n    "(?:ph": "\w"|name": "[^"\n]*", "ph")(,\n)?')


def shape_of(text: bytes) -> Shape | None:
    """The layout of the events' text, from its first event; None when Kineto did not write it."""
    first = _FIRST_EVENT.match(text)
    if first is None:
        return None
    return SPREAD if first[1] else DENSE
