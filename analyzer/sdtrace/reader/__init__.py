"""From the bytes of a trace file to columns: nothing here knows what an event means."""

from sdtrace.reader.chunk_pass import THREADS
from sdtrace.reader.columns import EventColumns, EventKey
from sdtrace.reader.read import RawTrace, read_raw
from sdtrace.reader.sources import STDIN, resolve

__all__ = ["STDIN", "THREADS", "EventColumns", "EventKey", "RawTrace", "read_raw", "resolve"]
