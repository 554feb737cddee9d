"""Convolutions that try algorithms before they run: cuDNN's benchmark mode, MIOpen's search.

Both try what they have at the first call with each shape, within the op's own call, and leave no span.
Such a call launches dozens of kernels of several kinds, where an ordinary one was seen to launch six at
most: layout conversions, fills and the convolution itself.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like
from sdtrace.attribution.host import sum_by
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s

_CONVOLUTION: Final = re.compile(r"^aten::(?:cudnn|miopen)_\w*convolution")
_MIN_LAUNCHES: Final = 16
_MIN_KINDS: Final = 3
"""One that runs as matmuls, image by image (im2col), launches many too, but of two kinds."""


def convolution_searches(linked: LinkedTrace) -> Int64s:
    """The host events (indices) that are convolutions trying algorithms."""
    op = linked.work.op
    launched = sum_by(op, np.ones(len(op), np.int64), len(linked.host))
    calls = named_like(linked, _CONVOLUTION, {"cpu_op"})
    calls = calls[launched[calls] >= _MIN_LAUNCHES]
    pieces = np.flatnonzero(np.isin(op, calls))
    kinds = np.unique(np.stack((op[pieces], linked.trace.name[linked.work.row[pieces]])), axis=1)
    owner, count = np.unique(kinds[0], return_counts=True)
    return owner[count >= _MIN_KINDS]
