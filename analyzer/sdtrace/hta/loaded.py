"""HTA's `Trace`, already loaded."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final

import msgspec
from hta.common.trace import Trace as HtaTrace
from hta.common.trace_symbol_table import TraceSymbolTable

from sdtrace.hta.columns import FIRST_INDEX
from sdtrace.trace import Trace

RANK = 0
"""The rank that holds the trace where there is only one."""
_LEVEL: Final = 1
"""Of gzip: twice the size of the best, in a tenth of the time."""
_BUFFER: Final = 1 << 20
Raw = dict[str, Any]


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item()


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


class LoadedTrace(HtaTrace):
    """Ranks with frames that are there already; `raw` gives what HTA would read again of one."""

    def __init__(
        self,
        traces: Mapping[int, Trace],
        frames: Mapping[int, Any],
        symbols: Sequence[str],
        raw: Callable[[int], Raw],
    ) -> None:
        first = min(traces)
        super().__init__(trace_files={}, trace_dir=str(traces[first].path.parent))
        self.trace_files = {
            rank: str(trace.path.with_name(_gzipped(trace.path.name))) for rank, trace in traces.items()
        }
        self.symbol_table = symbol_table(symbols)
        self.traces = dict(frames)
        self.meta_data = {rank: dict(trace.top_level) for rank, trace in traces.items()}
        self.min_ts = traces[first].origin_ns / 1000
        self.is_parsed = True
        self.raw = raw

    def in_folder(self, folder: Path) -> LoadedTrace:
        """The same trace; what HTA writes beside it goes to `folder`."""
        other = copy(self)
        other.trace_files = {rank: str(folder / Path(name).name) for rank, name in self.trace_files.items()}
        return other

    def get_raw_trace_for_one_rank(self, rank: int = RANK) -> Raw:
        """The trace as JSON holds it, to lay results over. Raises ValueError for a rank that is not there."""
        if rank not in self.traces:
            raise ValueError(f"there is only rank {', '.join(map(str, self.traces))}, not {rank}")
        return self.raw(rank)

    def write_raw_trace(self, output_file: str, trace_contents: Raw) -> None:
        """Write a trace as gzipped JSON. HTA's own way takes ten times as long."""
        rest = {key: value for key, value in trace_contents.items() if key != "traceEvents"}
        head = _encode(rest)[:-1] + (b", " if rest else b"") + b'"traceEvents": ['
        with gzip.open(output_file, "wb", _LEVEL) as packed, io.BufferedWriter(packed, _BUFFER) as file:
            file.write(head)
            for place, event in enumerate(trace_contents["traceEvents"]):
                file.write((b",\n" if place else b"\n") + _encode(event))
            file.write(b"\n]}\n")


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


def _span() -> Raw:
    """The profiler's own span, in which HTA notes the names that it shortened."""
    about = {"name": "PyTorch Profiler (0)", "pid": "Spans", "tid": "PyTorch Profiler"}
    return {"ph": "X", "cat": "Trace", **about, "ts": 0.0, "dur": 0.0, "args": {}}
