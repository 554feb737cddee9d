"""`sdtrace mcp`: answers for a coding assistant."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from typing import Final

import click

from sdtrace.errors import UsageError

_KEPT: Final = 4
_INSTALL: Final = "pip install 'sdtrace[mcp]'"


@click.command("mcp", short_help="Answer a coding assistant's questions about traces.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=_KEPT,
    show_default=True,
    help="Traces that stay in memory, so that the next question is quick.",
)
def command(keep: int) -> int:
    """Serve the Model Context Protocol on standard input and output.

    An assistant starts it and has these tools: verdict, findings, finding,
    verify, compare, tables, query, traces. They read files that you may read.
    What was read of a trace is kept in ~/.cache/sdtrace; nothing else is
    written, nothing is fetched, no command is run. docs/mcp.md shows a loop.
    Needs pip install 'sdtrace[mcp]'.

    \b
    sdtrace mcp
    sdtrace mcp --keep 8
    """
    if find_spec("mcp") is None:
        raise UsageError(f"`sdtrace mcp` needs the extra mcp; run: {_INSTALL}")
    try:
        from sdtrace.mcp.server import serve  # noqa: PLC0415  # the SDK, which nothing else needs
    except ImportError as error:
        raise UsageError(
            f"the package mcp is of another version or broken ({error}); run: {_INSTALL}"
        ) from error
    # The SDK reads in a thread that waits for input; only a signal's own effect ends it.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    serve(keep)
    return 0
