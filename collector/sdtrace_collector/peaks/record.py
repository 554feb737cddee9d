"""What was measured of a card, as it stands in the facts of a run and in files. Needs no torch."""

from __future__ import annotations

import msgspec


class MeasuredPeaks(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The best of several tries, with four significant digits. What could not be measured is left out.

    `flops_per_s` is of dense matrix products by type of the operands (`tf32`: float32 on tensor cores).
    `memory_bytes_per_s` is of copies, sums and fills far larger than the cache; `l2_bytes_per_s` of sets that
    stay in it, read and written bytes together, without what a kernel takes to start and end. `launch_us` is
    the host's time per launch of an empty kernel, `graph_gap_us` the device's time per empty kernel of a CUDA
    graph, in microseconds: no kernel takes less. Links count one direction, the faster one.
    """

    card: str
    flops_per_s: dict[str, float] = {}
    memory_bytes_per_s: float | None = None
    l2_bytes: int | None = None
    l2_bytes_per_s: float | None = None
    launch_us: float | None = None
    graph_gap_us: float | None = None
    pcie_bytes_per_s: float | None = None
    nvlink_bytes_per_s: float | None = None
    measured_in_s: float | None = None
