"""A trace in memory: integer nanoseconds, everything that repeats stored once."""

from sdtrace.trace.load import load_trace
from sdtrace.trace.model import Memory, Thread, Trace
from sdtrace.trace.processes import Process

__all__ = ["Memory", "Process", "Thread", "Trace", "load_trace"]
