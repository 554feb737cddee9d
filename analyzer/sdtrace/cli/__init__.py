"""The command line."""

from sdtrace.cli.main import main

__all__ = ["main"]
