"""sdtrace: where every microsecond of a PyTorch profiler trace went."""

__version__ = "0.1.0"
