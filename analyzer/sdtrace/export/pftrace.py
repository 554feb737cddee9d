"""A trace in Perfetto's own format: smaller than JSON, quick to load, with the tracks that sdtrace adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from sdtrace.analysis.study import Study, study_trace
from sdtrace.atomic_files import staged
from sdtrace.breakdowns.rules import load_rules
from sdtrace.export.event_facts import distinct, event_facts
from sdtrace.export.overlaps import find_exact_lanes
from sdtrace.export.packets import (
    BEGIN,
    FLOW_BYTES,
    ID_BYTES,
    Form,
    Interned,
    TrackPlace,
    counter_packet,
    form,
    ids_and_flows,
    slice_facts,
    track_packet,
)
from sdtrace.export.slices import Slices, slice_packets
from sdtrace.export.tracks import BUSY, PROCESS, Track, busy_share, tracks
from sdtrace.intervals import Int64s
from sdtrace.reader.categories import DEVICE, LINKED
from sdtrace.trace import load_trace
from sdtrace.trace.model import Thread

SUFFIX: Final = ".pftrace"
_LARGEST: Final = (1 << 31) - 1
"""Of the numbers of processes and threads that Perfetto takes."""


def write_pftrace(source: Path, target: Path, *, force: bool) -> int:
    """Write the trace at `source` (a file, not standard input) to `target` in Perfetto's own format.

    Returns the number of slices. Every event with a duration is one, but for those with impossible times;
    those that overlap others stand on a track beside their own. Raises UnreadableTrace, OutputError.
    """
    study = study_trace(load_trace(source), load_rules(None))
    with staged(target, force=force) as write:
        writer = _Writer(study)
        for piece in writer.pieces():
            write(piece)
    return writer.count


class _Writer:
    """Numbers tracks and texts, and lays out the packets."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._zero_ns = int(study.trace.start_ns.min(initial=0))
        """Where times begin: what the profiler says of itself lies before the first event."""
        self._interned = Interned()
        self._places: list[TrackPlace] = []
        self._forms: list[Form] = []
        self._extra: list[bytes] = []
        self._columns: list[tuple[Int64s, Int64s, Int64s, Int64s]] = []
        self.count = 0

    def pieces(self) -> Iterator[bytes]:
        """The packets: tracks, texts, counters, slices in order of time."""
        counters = self._added()
        self._events()
        track, start, dur, look = (np.concatenate(column) for column in zip(*self._columns, strict=True))
        slices = Slices(track, start, dur, look, self._forms, self._extra)
        self.count = len(slices.track)
        yield b"".join(track_packet(place) for place in self._places)
        yield self._interned.packet()
        yield from counters
        yield from slice_packets(slices)

    def _track(self, name: str, parent: int = 0, rank: int = 0, **more: int | str | None) -> int:
        uuid = len(self._places) + 1
        self._places.append(TrackPlace(uuid, name, parent, rank, **more))  # type: ignore[arg-type]
        return uuid

    def _added(self) -> list[bytes]:
        """What sdtrace found, on tracks of its own; the packets of its counters."""
        top = self._track(PROCESS)
        for rank, track in enumerate(tracks(self._study)):
            self._add(track, self._track(track.name, top, rank))
        shares = [(ns - self._zero_ns, percent) for ns, percent in busy_share(self._study)]
        counters = self._memory(top)
        if shares:
            busy = self._track(BUSY, top, len(self._places), unit="%")
            counters += [counter_packet(busy, ns, percent) for ns, percent in shares]
        return counters

    def _memory(self, top: int) -> list[bytes]:
        """How much torch had allocated on each device, where the trace has every allocation."""
        memory = self._study.trace.memory
        packets = []
        devices, which = distinct(memory.device_type, memory.device_id)
        for number, (kind, index) in enumerate(devices.tolist()):
            name = f"memory allocated, {'CPU' if kind == 0 else f'GPU {index}'}"
            track = self._track(name, top, len(self._places), unit="bytes")
            mine = which == number
            pairs = zip(memory.time_ns[mine].tolist(), memory.total_allocated[mine].tolist(), strict=True)
            packets += [counter_packet(track, max(0, ns - self._zero_ns), held) for ns, held in pairs]
        return packets

    def _add(self, track: Track, number: int) -> None:
        looks = {}
        for item in track.slices:
            facts = tuple((item.args or {}).items())
            if (item.name, facts) not in looks:
                told = [self._interned.annotation(key, value) for key, value in facts]
                looks[item.name, facts] = self._look(item.name, PROCESS, number, told)
        start = np.array([item.start_ns for item in track.slices], np.int64) - self._zero_ns
        dur = np.array([item.dur_ns for item in track.slices], np.int64)
        look = np.array(
            [looks[item.name, tuple((item.args or {}).items())] for item in track.slices], np.int64
        )
        self._columns.append((np.full(len(start), number, np.int64), start, dur, look))
        self._extra += [b""] * len(start)

    def _look(self, name: str, category: str, track: int, facts: list[bytes], following: int = 0) -> int:
        self._forms.append(
            form(BEGIN, track, [*slice_facts(self._interned, name, category), *facts], following)
        )
        return len(self._forms) - 1

    def _events(self) -> None:
        """Every event of the trace on the track of its thread or stream."""
        trace = self._study.trace
        lane = find_exact_lanes(trace.thread.astype(np.int64), trace.start_ns, trace.dur_ns)
        track, which = distinct(trace.thread.astype(np.int64), lane)
        numbers = np.array(self._thread_tracks(track), np.int64)
        flow = self._flows()
        has_id = trace.in_categories(LINKED) & (trace.correlation > 0) & (trace.correlation < 1 << 35)
        facts, fact = event_facts(self._study)
        extra_kind = np.where(flow > 0, 1, np.where(flow < 0, 2, 0)) + 3 * has_id
        keys = (which, trace.name, trace.category, fact, extra_kind)
        look, look_of = distinct(*(key.astype(np.int64) for key in keys))
        id_head = self._interned.id_annotation("correlation")
        made = []
        for place, name, category, told, kind in look.tolist():
            items = [self._interned.annotation(key, value) for key, value in facts[told]]
            following = FLOW_BYTES * (kind % 3 > 0) + ID_BYTES * (kind >= 3)
            if kind >= 3:
                items.append(id_head)
            made.append(
                self._look(
                    trace.names[name], trace.categories[category], int(numbers[place]), items, following
                )
            )
        start = trace.start_ns - self._zero_ns
        self._columns.append((numbers[which], start, trace.dur_ns, np.array(made, np.int64)[look_of]))
        self._extra += ids_and_flows(trace.correlation, has_id, flow)

    def _flows(self) -> Int64s:
        """For each event the number of the arrow that begins there, less than 0 where it ends; 0 for none.

        An arrow leads from a launch to the first work of it.
        """
        trace, work = self._study.trace, self._study.linked.work
        flow = np.zeros(len(trace), np.int64)
        known = np.flatnonzero(work.launch >= 0)
        known = known[np.argsort(trace.start_ns[work.row[known]], kind="stable")]
        launches, first = np.unique(work.launch[known], return_index=True)
        flow[launches] = np.arange(1, len(launches) + 1)
        flow[work.row[known[first]]] = -np.arange(1, len(launches) + 1)
        return flow

    def _thread_tracks(self, track: Int64s) -> list[int]:
        """A track for each thread and lane; streams stand below their device, threads below their process."""
        trace = self._study.trace
        on_device = np.unique(trace.thread[trace.in_categories(DEVICE)])
        above: dict[int | str, int] = {}
        names = {process.pid: process.name for process in trace.processes}
        numbers: list[int] = []
        for rank, (place, lane) in enumerate(track.tolist()):
            thread = trace.threads[place]
            if thread.pid not in above:
                above[thread.pid] = self._group(thread.pid, names.get(thread.pid, ""), place in on_device)
            numbers.append(self._thread(thread, lane, above[thread.pid], rank, place in on_device))
        return numbers

    def _group(self, pid: int | str, name: str, is_device: bool) -> int:
        """The track above those of a process or a device; only a process has a number that Perfetto shows."""
        rank = len(self._places)
        if is_device:
            return self._track(f"GPU {pid}", 0, rank)
        if isinstance(pid, int) and 0 < pid <= _LARGEST:
            return self._track(name or "process", 0, rank, pid=pid)
        return self._track(f"{name or 'process'} {pid}", 0, rank)

    def _thread(self, thread: Thread, lane: int, above: int, rank: int, is_stream: bool) -> int:
        title = thread.name or f"{'stream' if is_stream else 'thread'} {thread.tid}"
        if lane:
            return self._track(f"{title} overlap {lane}", above, rank)
        tid, pid = thread.tid, self._places[above - 1].pid
        if is_stream or pid is None or not isinstance(tid, int) or not 0 < tid <= _LARGEST:
            return self._track(title, above, rank)
        return self._track(title, above, rank, pid=pid, tid=tid)
