"""Host time and idle time by when it is: phase, iteration, step, and the components that ran."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sdtrace.attribution.host import sum_by
from sdtrace.breakdowns.components import running
from sdtrace.explore.over import Counted, count_once
from sdtrace.explore.places import NONE, Place, Places, present
from sdtrace.intervals import Int64s, contains, union
from sdtrace.phases.phases import wall
from sdtrace.structure.components import Components


class When(NamedTuple):
    """Distinct times of one kind; arrays of one length. `components` has a bit for each component that ran
    on any thread, those of blocks after the others; `wall_ns` is how much host time there is."""

    phase: Int64s
    iteration: Int64s
    step_iteration: Int64s
    step: Int64s
    components: Int64s
    wall_ns: Int64s


class ComponentSums(NamedTuple):
    """Arrays of one length: component (of blocks after the others, `None`s last), time, nanoseconds of host
    time that is the component's, calls that begin."""

    component: Int64s
    when: Int64s
    wall_ns: Int64s
    calls: Int64s


class IdleSums(NamedTuple):
    """Idle time by cause and time, arrays of one length; `gaps` counts gaps once, the cause its group."""

    cause: Int64s
    when: Int64s
    ns: Int64s
    gaps: Counted


@dataclass(frozen=True)
class Times:
    """The wall of a study, cut wherever anything that can be selected changes."""

    places: Places

    @cached_property
    def edges(self) -> Int64s:
        """Starts of the pieces, and the end of the last; sorted."""
        study = self.places.study
        structure = study.structure
        sides = [study.phases.timeline.edges]
        for spans in (structure.iterations, structure.steps, structure.components, structure.blocks):
            sides += [spans.start_ns, spans.end_ns]
        return np.unique(np.concatenate(sides))

    @cached_property
    def _found(self) -> tuple[When, Int64s]:
        study, start = self.places.study, self.edges[:-1]
        phase = study.phases.timeline.at(start).astype(np.int64)
        none = np.full(len(start), NONE, np.int64)
        place = self.places.kept(Place(phase, none, none, *self.places.rounds(start)))
        bits = self._bits(start)
        values, of_bits = np.unique(bits, return_inverse=True)
        code = place.code * (len(values) + 1) + of_bits
        _, first, number = np.unique(code, return_index=True, return_inverse=True)
        inside = self._inside_wall()
        when = When(
            place.phase[first],
            place.iteration[first],
            place.step_iteration[first],
            place.step[first],
            bits[first],
            sum_by(number, inside, len(first)),
        )
        return when, number

    @property
    def when(self) -> When:
        """The distinct times."""
        return self._found[0]

    @property
    def number(self) -> Int64s:
        """Which of them each piece is."""
        return self._found[1]

    def _inside_wall(self) -> Int64s:
        start, end = wall(self.places.study.trace)
        low, high = np.maximum(self.edges[:-1], start), np.minimum(self.edges[1:], max(end, start + 1))
        inside: Int64s = np.maximum(high - low, 0)
        return inside

    def _bits(self, start: Int64s) -> Int64s:
        bits = np.zeros(len(start), np.int64)
        for bit, calls in enumerate(self._calls()):
            bits |= contains(union(calls.start_ns, calls.end_ns), start).astype(np.int64) << bit
        return bits

    def _calls(self) -> list[Components]:
        structure = self.places.study.structure
        return [
            source.only([source.names[code]])
            for source in (structure.components, structure.blocks)
            for code in present(source)
        ]

    def components(self) -> ComponentSums:
        """Host time and calls of components; empty without any."""
        structure = self.places.study.structure
        parts = []
        shift = 0
        for source in (structure.components, structure.blocks):
            known = present(source)
            if not known:
                continue
            numbers = np.full(len(source.names) + 1, -1, np.int64)
            numbers[known] = np.arange(shift, shift + len(known))
            shift += len(known)
            owner = numbers[running(source, structure.launches, self.edges)]
            if source is structure.blocks:
                parts.append((owner[owner >= 0], self.number[owner >= 0], self._inside_wall()[owner >= 0], 0))
            else:
                parts.append((owner, self.number, self._inside_wall(), 0))
            begun = self.number[np.searchsorted(self.edges, source.start_ns, side="right") - 1]
            parts.append((numbers[source.code], begun, np.zeros(len(begun), np.int64), 1))
        return _component_sums(parts)

    def idle(self) -> IdleSums:
        """Idle time of all devices."""
        idle, edges = self.places.study.idle, self.edges
        piece, part, held = self._cut(idle.start_ns, idle.end_ns, edges)
        when, cause = self.number[piece], idle.cause[part].astype(np.int64)
        size = len(self.when.phase)
        ns = sum_by(cause * size + when, held, (int(cause.max(initial=0)) + 1) * size)
        filled = np.flatnonzero(ns)
        gaps = int(idle.gap.max(initial=0)) + 1
        thing = cause * gaps + idle.gap[part]
        order = np.argsort(cause.astype(np.int8), kind="stable")
        counted = count_once(thing[order], cause[order], when[order], size)
        return IdleSums(filled // size, filled % size, ns[filled], counted)

    def _cut(self, start: Int64s, end: Int64s, edges: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """Spans cut at the edges: the piece of the wall, the span, and the length of each part."""
        first = self._piece_of(start)
        longer = np.flatnonzero(end > edges[first + 1])
        held = end - start
        held[longer] = edges[first[longer] + 1] - start[longer]
        more = np.searchsorted(edges, end[longer], side="left") - 1 - first[longer]
        part = np.repeat(longer, more)
        place = np.arange(len(part)) - np.repeat(np.cumsum(more) - more, more) + 1
        piece = first[part] + place
        rest = np.minimum(end[part], edges[piece + 1]) - edges[piece]
        pieces, parts = np.append(first, piece), np.append(np.arange(len(start)), part)
        return pieces, parts, np.append(held, rest)

    def _piece_of(self, instant: Int64s) -> Int64s:
        """The piece of the wall that holds each instant; fast where these are sorted."""
        if np.any(instant[1:] < instant[:-1]):
            piece: Int64s = np.searchsorted(self.edges, instant, side="right") - 1
            return piece
        first = np.searchsorted(instant, self.edges, side="left")
        held = np.diff(np.append(first, len(instant)))
        return np.repeat(np.arange(len(self.edges), dtype=np.int64), held)


def _component_sums(parts: list[tuple[Int64s, Int64s, Int64s, int]]) -> ComponentSums:
    if not parts:
        return ComponentSums(*np.zeros((4, 0), np.int64))
    component, when, walls = (np.concatenate([part[i] for part in parts]) for i in range(3))
    calls = np.concatenate([np.full(len(part[0]), part[3], np.int64) for part in parts])
    pairs = np.stack((component, when))
    keys, number = np.unique(pairs, axis=1, return_inverse=True)
    number = number.reshape(-1)
    size = keys.shape[1]
    return ComponentSums(keys[0], keys[1], sum_by(number, walls, size), sum_by(number, calls, size))
