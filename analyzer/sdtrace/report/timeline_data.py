"""The timeline for the page's script: bins and spans as lists, events as columns of bytes."""

from __future__ import annotations

import base64
import zlib
from typing import Any, Final

import numpy as np

from sdtrace.explore.timeline import BINS, Events, Timeline
from sdtrace.intervals import Int64s
from sdtrace.report.names import shorten, visible
from sdtrace.tables.labels import CAUSES
from sdtrace.waiting.idle import CAUSES as ALL

_LABEL: Final = 40
COLUMNS: Final = ("lane", "depth", "start", "dur", "name", "kind")


def timeline_data(timeline: Timeline) -> dict[str, Any]:
    """All but the events: `events` says of which iterations there are how many. Times are nanoseconds."""
    return {
        "start": timeline.start_ns,
        "end": timeline.end_ns,
        "bins": BINS,
        "edges": timeline.edges.tolist(),
        "phases": timeline.phases.tolist(),
        "iterations": timeline.iterations.tolist(),
        "steps": timeline.steps.tolist(),
        "components": timeline.components.tolist(),
        "lanes": [
            {
                "label": shorten(visible(lane.label), _LABEL),
                "isStream": lane.is_stream,
                "busy": lane.busy_ns.tolist(),
            }
            for lane in timeline.lanes
        ],
        "idle": [
            {"cause": CAUSES.get(cause, cause), "code": ALL.index(cause), "ns": bins.tolist()}
            for cause, bins in timeline.idle.items()
        ],
        "events": [
            {
                "iteration": events.iteration,
                "start": events.start_ns,
                "end": events.end_ns,
                "count": len(events.start),
                "isComplete": events.is_complete,
            }
            for events in timeline.events
        ],
    }


def packed_events(events: list[Events], name_of: Int64s) -> str:
    """The columns `COLUMNS` of all events, deflated, in base64; `name_of` renumbers names of the trace.

    Starts are differences from the event before. Each column is a byte that says how many bytes a number
    has, then the lowest bytes of all numbers, then the next ones: what is alike stands together.
    """
    columns = []
    for name in COLUMNS:
        parts = [getattr(each, name) for each in events]
        column = np.concatenate([np.zeros(0, np.int64), *parts])
        if name == "start":
            column = np.diff(column, prepend=0)
        columns.append(_planes(name_of[column] if name == "name" else column))
    return base64.b64encode(zlib.compress(b"".join(columns), 4)).decode("ascii")


def _planes(column: Int64s) -> bytes:
    """Signed numbers as twice their size, odd where below 0; by bytes."""
    folded = np.where(column < 0, -2 * column - 1, 2 * column)
    width = max(1, (int(folded.max(initial=0)).bit_length() + 7) // 8)
    planes = folded.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width]
    return bytes([width]) + np.ascontiguousarray(planes.T).tobytes()
