"""Ranks that come late to their collectives, by HTA's measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
from hta.analyzers.straggler import find_stragglers_with_late_start_comm_kernels as late_starts
from hta.common.trace_symbol_table import TraceSymbolTable

from sdtrace.analysis.study import Study
from sdtrace.hta.columns import FIRST_INDEX, found_iterations

__all__ = ["late_starts", "stragglers"]

_NEW_NAME, _OLD_NAME = "ncclDevKernel", "ncclKernel"
"""Of the kernels of NCCL since 2.19; HTA knows the old one alone."""
_FIRST_ITERATION: Final = 1
"""HTA leaves out what lies before it."""


def stragglers(
    ranks: Mapping[int, tuple[Any, Study]],
    symbols: Sequence[str],
    steps: Sequence[int] | None,
    measure: Callable[..., Any],
    most: int,
    visualize: bool,
) -> list[int]:
    """The ranks that start late, latest first: at most `most`, and never all of them.

    `ranks` are frames of HTA's columns, each with its study; `steps` the iterations to look at, by default
    all. `measure` is called as `late_starts` is. Raises ValueError where there are no iterations.
    """
    if len(ranks) < 2:
        raise ValueError("there is only one rank")
    frames = {rank: frame for rank, (frame, _) in ranks.items()}
    if not any((frame["iteration"] >= _FIRST_ITERATION).any() for frame in frames.values()):
        frames = {rank: _with_iterations(frame, study) for rank, (frame, study) in ranks.items()}
    every = pd.concat(frames, axis=0, names=["rank", "idx"]).reset_index()
    wanted = every["iteration"] >= _FIRST_ITERATION if steps is None else every["iteration"].isin(steps)
    if not wanted.any():
        raise ValueError(f"no iteration is one of {steps}")
    table = TraceSymbolTable()
    table.add_symbols([text.replace(_NEW_NAME, _OLD_NAME) for text in symbols])
    most = max(1, min(most, len(ranks) - 1))
    counts = measure(every[wanted], table, most, visualize)
    late = counts[counts > 0].sort_values(ascending=False)
    found: list[int] = late.index.tolist()[:most]
    return found


def _with_iterations(frame: Any, study: Study) -> Any:
    return frame.assign(iteration=found_iterations(study)[frame["index"].to_numpy() - FIRST_INDEX])
