"""HTA's `Trace`, already loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from hta.common.trace import Trace as HtaTrace
from hta.common.trace_symbol_table import TraceSymbolTable

from sdtrace.hta.columns import FIRST_INDEX
from sdtrace.trace import Trace

RANK = 0
Raw = dict[str, Any]


class LoadedTrace(HtaTrace):
    """One rank, 0, with a frame that is there already; `raw` gives what HTA would read again."""

    def __init__(self, trace: Trace, frame: Any, symbols: Sequence[str], raw: Callable[[], Raw]) -> None:
        super().__init__(trace_files={}, trace_dir=str(trace.path.parent))
        self.trace_files = {RANK: str(trace.path.with_name(_gzipped(trace.path.name)))}
        self.symbol_table = symbol_table(symbols)
        self.traces = {RANK: frame}
        self.meta_data = {RANK: dict(trace.top_level)}
        self.min_ts = trace.origin_ns / 1000
        self.is_parsed = True
        self.raw = raw

    def with_frame(self, frame: Any, raw: Callable[[], Raw]) -> LoadedTrace:
        """The same trace with another frame and other events to lay results over."""
        other = copy(self)
        other.traces, other.raw = {RANK: frame}, raw
        return other

    def in_folder(self, folder: Path) -> LoadedTrace:
        """The same trace; what HTA writes beside it goes to `folder`."""
        other = copy(self)
        other.trace_files = {RANK: str(folder / Path(self.trace_files[RANK]).name)}
        return other

    def get_raw_trace_for_one_rank(self, rank: int = RANK) -> Raw:
        """The trace as JSON holds it, to lay results over. Raises ValueError for a rank other than 0."""
        if rank != RANK:
            raise ValueError(f"there is only rank {RANK}, not {rank}")
        return self.raw()


def _gzipped(name: str) -> str:
    """The name under which HTA writes, which always compresses: it puts words before `.json`."""
    return f"{name.partition('.json')[0]}.json.gz"


def symbol_table(symbols: Sequence[str]) -> Any:
    """HTA's table of texts; each text's number is its place."""
    table = TraceSymbolTable()
    table.add_symbols(symbols)
    return table


def raw_trace(trace: Trace) -> Raw:
    """The complete events of a trace as dictionaries, each at the place that is its index in the frame.

    Times are microseconds as in the file. Arguments are the ids alone.
    """
    columns = (trace.name, trace.category, trace.thread, trace.start_ns, trace.dur_ns)
    ids = (trace.external_id, trace.correlation)
    events = [_span() if "Trace" not in trace.categories else {"ph": "M", "name": "", "args": {}}]
    events *= FIRST_INDEX
    for name, category, thread, start, dur, external, correlation in zip(
        *(column.tolist() for column in (*columns, *ids)), strict=True
    ):
        place = trace.threads[thread]
        args = {"External id": external, "correlation": correlation}
        events.append(
            {
                "ph": "X",
                "cat": trace.categories[category],
                "name": trace.names[name],
                "pid": place.pid,
                "tid": place.tid,
                "ts": (trace.origin_ns + start) / 1000,
                "dur": dur / 1000,
                "args": {key: value for key, value in args.items() if value},
            }
        )
    return {**trace.top_level, "traceEvents": events}


def nothing_to_overlay() -> Raw:
    """A trace without events, where what HTA would lay over them is not wanted."""
    return {"traceEvents": [_span()]}


def _span() -> Raw:
    """The profiler's own span, in which HTA notes the names that it shortened."""
    about = {"name": "PyTorch Profiler (0)", "pid": "Spans", "tid": "PyTorch Profiler"}
    return {"ph": "X", "cat": "Trace", **about, "ts": 0.0, "dur": 0.0, "args": {}}
