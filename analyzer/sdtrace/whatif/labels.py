"""What the calls and pieces of a plan are: of which component, which category, launched by which op."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.attribution.nesting import Int64s
from sdtrace.breakdowns.kernels import Categorized
from sdtrace.intervals import Bools, Intervals, covered
from sdtrace.structure.components import Components
from sdtrace.whatif.plan import Plan

_FLOAT32: Final = re.compile(
    r"sgemm|f32f32_f32f32|_ffma_|gemm_fp32|fp32_sm\d+|_S_B_S_|Cijk\w*_SB_|s884cudnn_fp32"
)
_TF32: Final = re.compile(r"tf32|s1688|xf32", re.IGNORECASE)
_FLOAT32_ATTENTION: Final = re.compile(r"_f32_|<float,|float32|fp32")
_SOFTMAX: Final = re.compile(r"soft_?max", re.IGNORECASE)
_PRODUCTS: Final = re.compile(r"^aten::b?addb?mm$|^aten::bmm$")
_OUTSIDE: Final = -1


@dataclass(frozen=True)
class Labels:
    """Masks over the calls and pieces of one plan."""

    linked: LinkedTrace
    plan: Plan
    start_ns: int
    """When the host began the iteration."""
    components: Components
    categorized: Categorized

    def of_categories(self, names: Collection[str]) -> Bools:
        """Pieces of some categories."""
        wanted = np.array([name in names for name in self.categorized.categories], np.bool_)
        found: Bools = wanted[self.categorized.code[self.plan.pieces.work]]
        return found

    def named(self, pattern: re.Pattern[str]) -> Bools:
        """Pieces in whose name the pattern is found."""
        row = self.linked.work.row[self.plan.pieces.work]
        found: Bools = self.linked.trace.names_matching(pattern)[self.linked.trace.name[row]]
        return found

    @property
    def float32_products(self) -> Bools:
        """Matrix products and convolutions in full float32."""
        return self.named(_FLOAT32) & ~self.named(_TF32) & self.of_categories({"gemm", "convolution"})

    @property
    def float32_attention(self) -> Bools:
        """Attention kernels in float32."""
        return self.named(_FLOAT32_ATTENTION) & self.of_categories({"attention_efficient", "attention_math"})

    @property
    def unfused_attention(self) -> Bools:
        """Softmax, and the batched matmuls around it."""
        op = np.append(self.linked.trace.names_matching(_PRODUCTS)[self.linked.host.name], False)
        batched: Bools = op[self.linked.work.op[self.plan.pieces.work]]
        softmax = self.of_categories({"softmax", "attention_math"})
        softmax |= self.named(_SOFTMAX) & self.of_categories({"fused_triton"})
        return softmax | (batched if softmax.any() else np.zeros_like(batched))

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
        host, parts = self.linked.host, self.components.only(list(names))
        start, thread = host.start_ns[self.plan.calls.event], host.thread[self.plan.calls.event]
        group = np.full(len(start), _OUTSIDE, np.int64)
        for number in np.unique(parts.thread).tolist():
            mine, asked = np.flatnonzero(parts.thread == number), np.flatnonzero(thread == number)
            place = np.searchsorted(parts.start_ns[mine], start[asked], "right") - 1
            inside = (place >= 0) & (start[asked] < parts.end_ns[mine][np.maximum(place, 0)])
            group[asked[inside]] = mine[place[inside]]
        return group

    def time_before_calls(self, spans: Intervals) -> Int64s:
        """How much of the gap before each call lies in some spans of host time, in nanoseconds."""
        start = self.linked.host.start_ns[self.plan.calls.event]
        return covered(spans, start - self.recorded_gap_ns, start)

    @property
    def recorded_gap_ns(self) -> Int64s:
        """The gap before each call in the trace."""
        host = self.linked.host
        start = host.start_ns[self.plan.calls.event]
        reached = np.maximum.accumulate(start + host.dur_ns[self.plan.calls.event])
        gap: Int64s = np.maximum(0, start - np.append(self.start_ns, reached[:-1]))
        return gap
