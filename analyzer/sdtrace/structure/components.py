"""Components of the pipeline: when the host ran text encoder, denoiser, VAE and scheduler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdtrace.attribution.event_selection import named_like, outermost
from sdtrace.attribution.launches import LaunchTimes
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s
from sdtrace.structure.component_names import (
    ANNOTATIONS,
    BLOCKS,
    DENOISERS,
    FUNCTIONS,
    LANGUAGE_MODEL,
    MODULES,
    OURS,
)
from sdtrace.structure.iterations import Confidence

_Rules = Sequence[tuple[str, re.Pattern[str]]]


@dataclass(frozen=True)
class Components:
    """Calls of components: host spans, disjoint on each thread, sorted by thread and start.

    `code` indexes `names`; all arrays are int64 of one length, times in nanoseconds. `how` says in a
    sentence how they were found ('' when there are none), `confidence` how far to trust it.
    """

    names: list[str]
    code: Int64s
    thread: Int64s
    start_ns: Int64s
    end_ns: Int64s
    how: str
    confidence: Confidence

    def __len__(self) -> int:
        return len(self.code)

    def at(self, points: Int64s, thread: NDArray[np.integer[Any]]) -> Int64s:
        """The component (a code) of each instant on each thread, -1 outside."""
        result = np.full(len(points), -1, np.int64)
        for number in np.unique(self.thread).tolist():
            mine, asked = self.thread == number, np.flatnonzero(thread == number)
            place = np.searchsorted(self.start_ns[mine], points[asked], side="right") - 1
            inside = (place >= 0) & (points[asked] < self.end_ns[mine][np.maximum(place, 0)])
            result[asked[inside]] = self.code[mine][place[inside]]
        return result

    def of_work(self, launches: LaunchTimes) -> Int64s:
        """The component (a code) that launched each piece of device work, -1 for none."""
        return self.at(launches.called_ns, launches.thread)

    def only(self, names: Sequence[str]) -> Components:
        """The calls of the named components."""
        wanted = [code for code, name in enumerate(self.names) if name in names]
        kept = np.isin(self.code, wanted)
        return replace(
            self,
            code=self.code[kept],
            thread=self.thread[kept],
            start_ns=self.start_ns[kept],
            end_ns=self.end_ns[kept],
        )


def no_components() -> Components:
    """None found."""
    empty = np.zeros(0, np.int64)
    return Components([], empty, empty, empty, empty, "", "guess")


def find_marked_components(linked: LinkedTrace) -> Components:
    """Components that the trace names: the collector's ranges, else modules, else other people's ranges.

    Where marked spans lie within each other the outermost counts.
    """
    annotations = {"user_annotation"}
    ours, others = _found(linked, OURS, annotations), _found(linked, ANNOTATIONS, annotations)
    if ours is not None and (others is None or _present(others) <= _present(ours)):
        return replace(ours, how="Components are the collector's annotations.", confidence="certain")
    modules = _found(linked, [*FUNCTIONS, *MODULES], {"python_function"})
    modules = None if modules is None else _with_text_of_language_models(modules)
    if modules is not None and len(modules.only([name for name, _ in MODULES])):
        return replace(modules, how="Components are nn.Module calls, by their class.", confidence="certain")
    if others is not None:
        return replace(others, how="Components are annotations, by their name.", confidence="likely")
    return no_components()


def _present(components: Components) -> set[str]:
    return {components.names[code] for code in np.unique(components.code).tolist()}


def _with_text_of_language_models(found: Components) -> Components:
    """A language model counts as text encoder where a denoiser follows, and elsewhere as no component."""
    names, language = [name for name in found.names if name != LANGUAGE_MODEL], len(found.names) - 1
    last_ns = found.only(DENOISERS).start_ns.max(initial=-1)
    is_text = (found.code == language) & (found.end_ns <= last_ns)
    code = np.where(is_text, names.index("text_encoder"), found.code)
    return replace(replace(found, code=code).only(names), names=names)


def find_blocks(linked: LinkedTrace, components: Components) -> Components:
    """Down, middle and up blocks within UNet calls, where the trace has module events."""
    blocks = _found(linked, BLOCKS, {"python_function"})
    unet = components.only(DENOISERS[:1])
    if blocks is None or not len(unet):
        return no_components()
    inside = unet.at(blocks.start_ns, blocks.thread) >= 0
    return Components(
        [f"unet.{name}" for name in blocks.names],
        blocks.code[inside],
        blocks.thread[inside],
        blocks.start_ns[inside],
        blocks.end_ns[inside],
        "Blocks of the UNet are nn.Module calls, by their class.",
        "certain",
    )


def _found(linked: LinkedTrace, rules: _Rules, categories: set[str]) -> Components | None:
    """The outermost events that match a rule; None when no event does."""
    matched = [named_like(linked, pattern, categories) for _, pattern in rules]
    events = np.concatenate(matched)
    if not events.size:
        return None
    codes = np.full(len(linked.host), -1, np.int64)
    for code, group in reversed(list(enumerate(matched))):
        codes[group] = code
    events = outermost(linked, np.unique(events))
    start = linked.host.start_ns[events]
    return Components(
        [name for name, _ in rules],
        codes[events],
        linked.host.thread[events].astype(np.int64),
        start,
        start + linked.host.dur_ns[events],
        "",
        "guess",
    )
