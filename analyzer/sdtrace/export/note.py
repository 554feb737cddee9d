"""What the copy of a part notes about the whole: how long the part lasts, and which iterations it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from sdtrace.export.part import Part
from sdtrace.intervals import Int64s, covered
from sdtrace.trace import Trace
from sdtrace.trace.part_of import PartOf, WholeIteration

PYTHON: Final = frozenset({"python_function"})


def note_of(trace: Trace, part: Part | None, *, drop_python: bool) -> PartOf | None:
    """What to note of a part, or of the whole trace; None where the copy's events tell it all.

    Python functions that are left out may be the first and the last events. Marks of iterations may lie
    outside the part, and marks within one may look like those of iterations where there is only one.
    """
    known = trace.part_of
    iterations = list(known.iterations if known else ()) if part is None else _iterations(part)
    edges = [edge for one in iterations for edge in (one.start_ns, one.end_ns)]
    if part is None and known is not None:
        edges += [known.start_ns, known.end_ns]
    if drop_python:
        edges += _edges_of_python(trace, part)
    return PartOf(min(edges), max(edges), iterations) if edges else None


def renamed(note: PartOf, name: Callable[[str], str]) -> PartOf:
    """The note with other names."""
    found = [msgspec.structs.replace(one, name=name(one.name)) for one in note.iterations]
    return msgspec.structs.replace(note, iterations=found)


def _iterations(part: Part) -> list[WholeIteration]:
    """The iterations all of whose time lies in the part."""
    study = part.study
    found, origin = study.structure.iterations, study.trace.origin_ns
    inside = covered(part.spans, found.start_ns, found.end_ns) == found.end_ns - found.start_ns
    return [
        WholeIteration(
            found.name[place],
            int(found.start_ns[place]) + origin,
            int(found.end_ns[place]) + origin,
            bool(found.is_whole[place]),
            found.confidence,
        )
        for place in np.flatnonzero(inside).tolist()
    ]


def _edges_of_python(trace: Trace, part: Part | None) -> list[int]:
    """When the first Python function of the part begins, and when the last one ends."""
    python = trace.in_categories(PYTHON)
    if part is not None:
        python = python & part.rows[trace.file_rows]
    rows = np.flatnonzero(python)
    if not rows.size:
        return []
    start: Int64s = trace.start_ns[rows] + trace.origin_ns
    end = start + trace.dur_ns[rows]
    if part is not None:
        for place, row in enumerate(trace.file_rows[rows].tolist()):
            if row in part.cuts:
                start[place], end[place] = part.cuts[row][0], sum(part.cuts[row])
    return [int(start.min()), int(end.max())]
