"""What the calls and pieces of a plan are: of which component, which category, launched by which op."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.compilable import is_compilable
from sdtrace.attribution.event_selection import COMPILED_REGION, named_like, outermost
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.breakdowns.kernels import Categorized
from sdtrace.intervals import Bools, Intervals, covered
from sdtrace.structure.components import Components
from sdtrace.whatif.changes import FUSABLE
from sdtrace.whatif.plan import Plan

_FLOAT32: Final = re.compile(
    r"sgemm|f32f32_f32f32|_ffma_|gemm_fp32|fp32_sm\d+|_S_B_S_|Cijk\w*_SB_|s884cudnn_fp32"
)
_TF32: Final = re.compile(r"tf32|s1688|xf32", re.IGNORECASE)
SHORT_DATA: Final = re.compile("sgemm<(__nv_bfloat16|__half|half)")
"""Convolutions of 16-bit numbers without tensor cores: cuDNN takes them where it finds no memory."""
_FLOAT32_ATTENTION: Final = re.compile(r"_f32_|<float,|float32|fp32")
_SOFTMAX: Final = re.compile(r"soft_?max", re.IGNORECASE)
_BATCHED_PRODUCTS: Final = re.compile(r"^aten::(bmm|baddbmm)$")
_OUTSIDE: Final = -1


@dataclass(frozen=True)
class Labels:
    """Masks over the calls and pieces of one plan."""

    linked: LinkedTrace
    plan: Plan
    span: tuple[int, int]
    """When the host began and ended the iteration, in nanoseconds."""
    components: Components
    categorized: Categorized

    def of_categories(self, names: Collection[str]) -> Bools:
        """Pieces of some categories."""
        wanted = np.array([name in names for name in self.categorized.categories], np.bool_)
        found: Bools = wanted[self.categorized.code[self.plan.pieces.work]]
        return found

    @property
    def fusable(self) -> Bools:
        """Pieces that Inductor fuses."""
        return self.of_categories(FUSABLE) & is_compilable(self.linked)[self.plan.pieces.work]

    def named(self, pattern: re.Pattern[str]) -> Bools:
        """Pieces in whose name the pattern is found."""
        row = self.linked.work.row[self.plan.pieces.work]
        found: Bools = self.linked.trace.names_matching(pattern)[self.linked.trace.name[row]]
        return found

    @property
    def float32_products(self) -> Bools:
        """Matrix products and convolutions in full float32."""
        full = self.named(_FLOAT32) & ~self.named(_TF32) & ~self.named(SHORT_DATA)
        return full & self.of_categories({"gemm", "convolution"})

    @property
    def is_float32(self) -> bool:
        """Whether most of the time in matrix products and convolutions is in float32 or TF32."""
        products = self.of_categories({"gemm", "convolution"})
        long = products & (self.named(_FLOAT32) | self.named(_TF32)) & ~self.named(SHORT_DATA)
        dur_ns = self.plan.pieces.dur_ns
        return bool(2 * dur_ns[long].sum() > dur_ns[products].sum())

    @property
    def float32_attention(self) -> Bools:
        """Attention kernels in float32."""
        return self.named(_FLOAT32_ATTENTION) & self.of_categories({"attention_efficient", "attention_math"})

    @property
    def unfused_attention(self) -> Bools:
        """Softmax, and the batched matmuls around it."""
        op = np.append(self.linked.trace.names_matching(_BATCHED_PRODUCTS)[self.linked.host.name], False)
        batched: Bools = op[self.linked.work.op[self.plan.pieces.work]]
        found = self.of_categories({"attention_math"}) | self.softmax
        return found | (batched if found.any() else np.zeros_like(batched))

    @property
    def softmax(self) -> Bools:
        """Softmax kernels, of which unfused attention has one each."""
        found = self.named(_SOFTMAX) & self.of_categories({"attention_math", "fused_triton"})
        return found | self.of_categories({"softmax"})

    def launching(self, pieces: Bools) -> Bools:
        """Calls that launch some of the pieces."""
        calls = np.zeros(len(self.plan.calls.gap_ns), np.bool_)
        calls[self.plan.pieces.call[pieces]] = True
        return calls

    def waiting(self) -> Bools:
        """Calls that wait for the device."""
        return self.plan.calls.waits | self.launching(self.plan.pieces.blocks)

    def groups(self, names: Collection[str]) -> Int64s:
        """For each call the number of the component call it is in, of some components; -1 outside."""
        parts = self.components.only(list(names))
        return self._within(parts.thread, parts.start_ns, parts.end_ns)

    def compiled_regions(self) -> Int64s:
        """For each call the number of the call of compiled code it is in; -1 outside."""
        host = self.linked.host
        events = outermost(
            self.linked, named_like(self.linked, COMPILED_REGION, {"user_annotation", "cpu_op"})
        )
        events = events[np.argsort(host.start_ns[events], kind="stable")]
        start = host.start_ns[events]
        return self._within(host.thread[events].astype(np.int64), start, start + host.dur_ns[events])

    def _within(self, spans_thread: Int64s, spans_start: Int64s, spans_end: Int64s) -> Int64s:
        """For each call the number of the span it is in; -1 outside. Spans are disjoint on each thread."""
        host = self.linked.host
        start, thread = host.start_ns[self.plan.calls.event], host.thread[self.plan.calls.event]
        group = np.full(len(start), _OUTSIDE, np.int64)
        for number in np.unique(spans_thread).tolist():
            mine, asked = np.flatnonzero(spans_thread == number), np.flatnonzero(thread == number)
            place = np.searchsorted(spans_start[mine], start[asked], "right") - 1
            inside = (place >= 0) & (start[asked] < spans_end[mine][np.maximum(place, 0)])
            group[asked[inside]] = mine[place[inside]]
        return group

    def time_outside_calls(self, spans: Intervals) -> Int64s:
        """How much of each of `recorded_gap_ns` lies in some spans of host time, in nanoseconds."""
        start = np.append(self.linked.host.start_ns[self.plan.calls.event], self.span[1])
        return covered(spans, start - self.recorded_gap_ns, start)

    @property
    def recorded_gap_ns(self) -> Int64s:
        """The gap before each call in the trace, and last what follows the last call."""
        host = self.linked.host
        start = host.start_ns[self.plan.calls.event]
        reached = np.maximum.accumulate(start + host.dur_ns[self.plan.calls.event])
        gap: Int64s = np.maximum(0, np.append(start, self.span[1]) - np.append(self.span[0], reached))
        return gap
