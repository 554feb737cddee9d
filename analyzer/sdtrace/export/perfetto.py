"""A copy of a trace for Perfetto, with tracks that say what the time was spent on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sdtrace.analysis.study import Study, study_trace
from sdtrace.atomic_files import staged
from sdtrace.breakdowns.rules import load_rules
from sdtrace.export.overlaps import Misfit, find_misfits
from sdtrace.export.track_edits import move_events
from sdtrace.export.tracks import added_events
from sdtrace.export.truncated_end import close_cut
from sdtrace.reader.envelope import read_beginning
from sdtrace.reader.streams import open_blocks
from sdtrace.trace import load_trace


class Written(NamedTuple):
    """How many events were added, and how many moved beside their track because they overlap there."""

    added: int
    moved: int


def write_perfetto(source: Path, target: Path, *, force: bool) -> Written:
    """Copy the trace at `source` (a file, not standard input) to `target`, with tracks added.

    The text of the file is kept but for the track of events that Perfetto would drop; what was cut off
    is closed. `.gz` compresses. Raises UnreadableTrace, OutputError.
    """
    with staged(target, force=force) as write:
        study = study_trace(load_trace(source), load_rules(None))
        added, misfits = list(added_events(study)), find_misfits(study.trace)
        for piece in _content(source, study, added, misfits):
            write(piece)
    return Written(len(added), len(misfits))


def _content(source: Path, study: Study, added: list[bytes], misfits: list[Misfit]) -> Iterator[bytes]:
    """The copy: what stands before the events, the added ones, the original ones and what follows."""
    with open_blocks(source) as blocks:
        beginning = read_beginning(source, blocks)
        yield beginning.head
        yield b"\n" + b",\n".join(added) + b",\n"
        rest: Iterator[bytes] = chain([beginning.events], blocks)
        if misfits:
            rest = move_events(rest, misfits)
        if study.trace.salvaged:
            rest = close_cut(rest, source, is_array=beginning.is_array)
        yield from rest
