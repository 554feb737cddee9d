"""Which change to an iteration the advice of a finding is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from sdtrace.analysis.blocks import filled_shares
from sdtrace.analysis.copies_and_memory import memory_evidence
from sdtrace.analysis.device_facts import weight_conversions
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.tuned_kernels import tuned_shares
from sdtrace.findings import Finding
from sdtrace.intervals import Bools, Int64s, intersect, join, union
from sdtrace.phases.silence import loader_calls, long_silence, spans_of
from sdtrace.reader.categories import GRAPH_LAUNCH
from sdtrace.structure.component_names import DENOISERS, TEXT_ENCODER
from sdtrace.waiting.claims import (
    CPU_WORK,
    DATA_WAIT,
    GC,
    LOCK,
    MEMORY,
    PYTHON,
    RUNTIME_CALL,
    Claim,
    host_claims,
)
from sdtrace.whatif import changes
from sdtrace.whatif.changes import Change, Factors, Floats, Outlook, scaled, together
from sdtrace.whatif.labels import Labels
from sdtrace.whatif.savings import Basis

_HALF_AT_WORST: Final = Factors(0.0, 0.0, 0.5)
_COPIES: Final = {"memcpy_h2d", "memcpy_d2h"}
_MANY_OPS: Final = 100
"""So many ops before one launch take tensors apart and put them together: weights that change places."""
_TENSOR_RATIO, _TF32_RATIO = 1 / 14.7, 1 / 7.4
"""Rate of float32 to those of bfloat16 and TF32 of an H100, by its data sheet; for unknown cards."""
_QUICK: Final[tuple[Outlook, ...]] = ("best",)
"""A recorded wall that is slow for its clocks may be of a slow minute; a quick one was measured."""
_ANY: Final[tuple[Outlook, ...]] = ("best", "worst")
"""What recording costs a function of Python is not known well: a recorded wall tells the pace of that."""
_LINK: Final = 31.5e9
"""Bytes a second of PCIe 4.0 with 16 lanes, one direction; for unknown cards."""
_EMPTIED: Final = Factors(0.0, 0.5, 1.0)
"""What remains of time in frees that the program asks for, of which a pipeline did not notice any."""
_WAITS: Final = {
    "host.gc": GC,
    "host.cpu_work": CPU_WORK,
    "host.lock": LOCK,
    "host.python": PYTHON,
    "host.runtime_call": RUNTIME_CALL,
    "host.memory": MEMORY,
}
"""Findings whose cause of idle time goes away."""

_ELSE: Final = {CPU_WORK, DATA_WAIT, GC, LOCK, MEMORY, PYTHON, RUNTIME_CALL}
"""What the host does besides launching: it takes as long when less is launched."""
_REGIONS: Final = 2
"""Calls of compiled code in one of a component, from which on only parts of it are compiled."""
_ON_ONE: Final = 0.99
"""Share of the work of a component on one GPU from which it is there: inputs are fetched from another."""
_LAUNCHING: Final = {"host.launch_bound", "host.component"}


class Remedy(NamedTuple):
    """A change, and what its prediction rests on."""

    change: Change
    basis: Basis
    left: Collection[Outlook] = ()
    """At which ends what is left of the host's work may run at the pace of the trace's clocks."""


def remedies(work: WorkStudy, labels: Labels, findings: list[Finding]) -> dict[str, Remedy]:
    """The remedy of each finding that has one, by the finding's id."""
    if any(finding.id == "host.copies" for finding in findings):
        # What moves cannot be recorded in a graph, and what launches it is not what is slow.
        findings = [finding for finding in findings if finding.id not in _LAUNCHING]
    known = _Remedies(work, labels)
    pairs = ((finding.id, known.of(finding)) for finding in findings)
    return {name: remedy for name, remedy in pairs if remedy is not None}


class _Remedies:
    def __init__(self, work: WorkStudy, labels: Labels) -> None:
        self.work, self.study, self.labels = work, work.study, labels
        self.rates = work.peaks.flops_per_s if work.peaks else {}

    def of(self, finding: Finding) -> Remedy | None:
        """The remedy of a finding; None where it has none that can be replayed."""
        if finding.id in _WAITS:
            return None if finding.saving_ns is None else self._less_waiting(finding)
        make = _BY_ID.get(finding.id)
        return None if make is None else make(self, finding)

    def launch_less(self, _: Finding) -> Remedy | None:
        """CUDA graphs for compiled code, or for the denoiser; the latter compiled first, where nothing is.

        Of a program without known components and compiled code, compilation alone, and graphs at best:
        whether CUDA can record it is not known.
        """
        if self._replays_graphs():
            return None
        group, regions = self._capturable(self._groups()), self._capturable(self.labels.compiled_regions())
        if not (group >= 0).any():
            return None
        is_named = bool(self.labels.components.names)
        kept = self._no_launching
        if _number(regions) and (not is_named or _number(regions) <= _REGIONS * _number(group)):
            graphs = changes.from_graphs(regions, changes.GRAPH_CALL_NS)
            return Remedy(changes.keeping(kept, graphs), "replay", _QUICK)
        graphs = changes.keeping(kept, changes.from_graphs(group, self._graph_call()))
        if self.labels.of_categories({"fused_triton"}).any() and is_named:
            return Remedy(graphs, "replay", _QUICK)
        fused = self._compiled(group)
        both = together(fused, graphs if is_named else changes.at_best(graphs))
        return Remedy(both, "bound", _QUICK)

    def component(self, finding: Finding) -> Remedy | None:
        """CUDA graphs for one component."""
        names = [row.key for row in finding.evidence_rows if row.table == "components"]
        group = self._capturable(self.labels.groups(names))
        if not (group >= 0).any():
            return None
        graphs = changes.from_graphs(group, changes.GRAPH_CALL_NS, changes.AS_IT_IS)
        return Remedy(graphs, "replay", _QUICK)

    def sync(self, _: Finding) -> Remedy:
        """No call waits but the last ones, which hand the result over."""
        waiting = self.labels.waiting()
        launches = np.flatnonzero(self.labels.launching(np.ones(len(self.labels.plan.pieces.call), np.bool_)))
        last = launches[~waiting[launches]].max(initial=-1)
        return Remedy(changes.unblocked(waiting & (np.arange(len(waiting)) < last)), "replay")

    def copies(self, _: Finding) -> Remedy:
        """What moves stays where it is, with the host work for tensors of which none launches anything."""
        calls = self.labels.launching(self.labels.of_categories(_COPIES))
        calls |= self.labels.plan.calls.ops >= _MANY_OPS
        moves = self.labels.launching(self.labels.of_categories(_COPIES))
        return Remedy(together(changes.without_gaps(calls), changes.dropped(moves)), "replay")

    def shorter_type(self, _: Finding) -> Remedy:
        """float32 products, attention and memory traffic in bfloat16 or float16."""
        ratio = self._ratio("float32", "bfloat16", _TENSOR_RATIO)
        labels = self.labels
        products, attention = labels.float32_products, labels.float32_attention
        return Remedy(
            together(
                scaled(products, _times(changes.HALF_FOR_FLOAT32, ratio)),
                scaled(attention, changes.HALF_ATTENTION),
                scaled(labels.of_categories(changes.FUSABLE), changes.HALF_MEMORY),
            ),
            "bound",
        )

    def tf32(self, _: Finding) -> Remedy:
        """float32 products and convolutions in TF32."""
        ratio = self._ratio("float32", "tf32", _TF32_RATIO)
        return Remedy(scaled(self.labels.float32_products, _times(changes.TF32, ratio)), "bound")

    def filled(self, _: Finding) -> Remedy:
        """Kernels with few blocks on all multiprocessors."""
        share = filled_shares(self.study, self.study.linked.work.row[self.labels.plan.pieces.work])
        return Remedy(changes.scaled_each(share), "bound")

    def as_tried(self, _: Finding) -> Remedy:
        """Tuned kernels as fast as the fastest variant that was tried."""
        share = tuned_shares(self.study, self.study.linked.work.row[self.labels.plan.pieces.work])
        return Remedy(changes.scaled_each(share), "bound")

    def fused(self, finding: Finding) -> Remedy | None:
        """One component compiled."""
        names = [row.key for row in finding.evidence_rows if row.table == "components"]
        group = self.labels.groups(names) if names else self._groups()
        if not (group >= 0).any():
            return None
        return Remedy(self._compiled(group), "bound")

    def encoded_once(self, _: Finding) -> Remedy | None:
        """No text encoder, and none of the host's work in it."""
        calls = self.labels.groups([TEXT_ENCODER]) >= 0
        if not calls.any():
            return None
        return Remedy(together(changes.without_gaps(calls), changes.dropped(calls)), "replay")

    def shorter_attention(self, _: Finding) -> Remedy | None:
        """float32 attention as a flash kernel."""
        pieces = self.labels.float32_attention
        return Remedy(scaled(pieces, changes.HALF_ATTENTION), "bound") if pieces.any() else None

    def fused_attention(self, _: Finding) -> Remedy:
        """Softmax and batched matmuls as one kernel, launched by one call."""
        labels = self.labels
        factors = changes.FUSED_ATTENTION_FLOAT32 if labels.is_float32 else changes.FUSED_ATTENTION
        pieces = labels.unfused_attention
        gone = labels.launching(pieces) & ~labels.launching(labels.softmax)
        return Remedy(together(scaled(pieces, factors), changes.in_fewer_calls(gone)), "bound")

    def weights_once(self, _: Finding) -> Remedy | None:
        """No weights are converted any more, and nothing launches that; half of it at worst."""
        mask = weight_conversions(self.work)[self.labels.plan.pieces.work]
        if not mask.any():
            return None
        calls = self.labels.launching(mask) & ~self.labels.launching(~mask)
        return Remedy(together(scaled(mask, _HALF_AT_WORST), changes.in_fewer_calls(calls)), "replay")

    def norms(self, finding: Finding) -> Remedy | None:
        """Norms at the roofline at best, else as compiled ones are."""
        mask = self.labels.of_categories({"normalization"})
        left = self._left(finding, mask)
        if left is None:
            return None
        return Remedy(
            scaled(mask, Factors(*(max(left, share) for share in changes.COMPILED_NORMS))), "roofline"
        )

    def _left(self, finding: Finding, pieces: Bools) -> float | None:
        """What remains of some pieces when the finding's saving is taken off; None where that is unknown."""
        taken = int(self.labels.plan.pieces.dur_ns[pieces].sum())
        return max(0.0, 1 - finding.saving_ns / taken) if taken and finding.saving_ns is not None else None

    def loaded(self, _: Finding) -> Remedy:
        """The next batch is there when it is asked for, in pinned memory."""
        spans = spans_of(self.study.linked, loader_calls(self.study.linked))
        gone = self.labels.time_outside_calls(spans)
        copies = self.labels.launching(self.labels.of_categories({"memcpy_h2d"}))
        loaded = changes.less_host(gone, self.labels.recorded_gap_ns, changes.LOADED)
        return Remedy(together(loaded, changes.pinned(copies, self._pinned_ns())), "bound")

    def _pinned_ns(self) -> Int64s:
        """How long each piece takes where copies to the device come from pinned memory."""
        link = self.work.peaks.pcie_bytes_per_s if self.work.peaks else None
        pieces, linked = self.labels.plan.pieces, self.study.linked
        nbytes = self.study.trace.nbytes[linked.work.row[pieces.work]]
        copied = np.rint(nbytes * 1e9 / (changes.PINNED_RATE * (link or _LINK))).astype(np.int64)
        is_known = self.labels.of_categories({"memcpy_h2d"}) & (nbytes > 0)
        return np.where(is_known, copied, pieces.dur_ns)

    def _less_waiting(self, finding: Finding) -> Remedy:
        """The host no longer does what the device waited for, also where it has no work after that."""
        study, cause = self.study, _WAITS[finding.id]
        looked_at, end_ns = study.idle.devices.end_ns, int(study.trace.end_ns.max(initial=0))
        tail = union(looked_at.max(initial=0, keepdims=True), np.array([end_ns]))
        after = [intersect(claim.spans, tail) for claim in self._doing if claim.cause == cause]
        gone = self.labels.time_outside_calls(join(study.steady_idle.when(cause), *after))
        memory = memory_evidence(study) if cause == MEMORY else None
        left = _EMPTIED if memory is not None and memory.are_asked_for else changes.ALL_GONE
        less = changes.less_host(gone, self.labels.recorded_gap_ns, left)
        change = together(less, changes.quicker_host(changes.WARM)) if cause == GC else less
        return Remedy(change, "replay", _ANY)

    def _compiled(self, group: Int64s) -> Change:
        """Some groups of calls as a compiler makes them."""
        fused = changes.FUSED_FLOAT32 if self.labels.is_float32 else changes.FUSED
        part = changes.compiled(group, self.labels.of_categories(changes.FUSABLE), fused)
        return changes.keeping(self._no_launching, part)

    @cached_property
    def _doing(self) -> list[Claim]:
        """What the host did, of all kinds that can be to blame for idle time."""
        study = self.study
        return host_claims(study.linked, study.phases.timeline, study.structure.iterations).doing

    @cached_property
    def _no_launching(self) -> Floats:
        """Of the gap before each call the share in which the host did what launching less does not shorten.

        Last of what follows all calls.
        """
        labels, linked = self.labels, self.study.linked
        whole = union(*(np.array([instant]) for instant in labels.span))
        known = [claim.spans for claim in self._doing if claim.cause in _ELSE]
        spans = join(*known, long_silence(linked, whole))
        gap = labels.recorded_gap_ns
        share: Floats = np.minimum(1.0, labels.time_outside_calls(spans) / np.maximum(1, gap))
        return share

    def _groups(self) -> Int64s:
        """Calls of the denoiser; where no component is known, all calls as one."""
        group = self.labels.groups(DENOISERS)
        if (group >= 0).any() or self.labels.components.names:
            return group
        return np.zeros(len(group), np.int64)

    def _capturable(self, group: Int64s) -> Int64s:
        """Without calls that wait, which CUDA cannot record, and without groups that work on several GPUs."""
        group = np.where(self.labels.waiting(), -1, group)
        pieces, devices = self.labels.plan.pieces, self.study.idle.devices
        owner, device = group[pieces.call], devices.of_work[pieces.work]
        held = np.zeros((int(group.max(initial=-1)) + 1, len(devices)), np.int64)
        np.add.at(held, (owner[owner >= 0], device[owner >= 0]), pieces.dur_ns[owner >= 0])
        is_wide = np.append(held.max(axis=1, initial=0) < _ON_ONE * held.sum(axis=1), False)
        return np.where(is_wide[group], -1, group)

    def _graph_call(self) -> Factors:
        certain = self.study.structure.components.confidence == "certain"
        return changes.GRAPH_CALL_NS if certain else changes.GRAPH_STEP_NS

    def _replays_graphs(self) -> bool:
        """Whether most of the work comes from CUDA graphs already."""
        trace, plan = self.study.trace, self.labels.plan
        row = self.study.linked.host.row[plan.calls.event]
        is_graph = trace.names_matching(GRAPH_LAUNCH)[trace.name[row]][plan.pieces.call]
        return bool(2 * plan.pieces.dur_ns[is_graph].sum() > plan.pieces.dur_ns.sum())

    def _ratio(self, slow: str, fast: str, usual: float) -> float:
        rates = self.rates
        return rates[slow] / rates[fast] if slow in rates and fast in rates else usual


_BY_ID: Final[dict[str, Callable[[_Remedies, Finding], Remedy | None]]] = {
    "host.launch_bound": _Remedies.launch_less,
    "host.component": _Remedies.component,
    "host.sync": _Remedies.sync,
    "host.copies": _Remedies.copies,
    "host.data": _Remedies.loaded,
    "device.float32": _Remedies.shorter_type,
    "device.tf32": _Remedies.tf32,
    "device.few_blocks": _Remedies.filled,
    "device.autotune_choice": _Remedies.as_tried,
    "device.fusion": _Remedies.fused,
    "host.text_encoder": _Remedies.encoded_once,
    "device.slow_attention": _Remedies.shorter_attention,
    "device.unfused_attention": _Remedies.fused_attention,
    "device.weight_layout": _Remedies.weights_once,
    "device.norm": _Remedies.norms,
}


def _times(factors: Factors, ratio: float) -> Factors:
    return Factors(*(min(1.0, factor * ratio) for factor in factors))


def _number(group: Int64s) -> int:
    """How many groups there are."""
    return len(np.unique(group[group >= 0]))
