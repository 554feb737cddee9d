"""The process that imports torch: reads one `Spec` from stdin, writes `Event`s to stdout, the rest to stderr.

Run by the command as `python -m sdtrace_collector.worker`. The command keeps stdin open until it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import traceback
from types import TracebackType

import msgspec

from sdtrace_collector.failures import explain
from sdtrace_collector.protocol import Event, Spec


def main() -> None:
    """Runs what stdin asks for. Every exception ends as one `Failed` event, with its traceback on stderr."""
    events = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print must not come between the events

    def send(event: Event) -> None:
        events.write(msgspec.json.encode(event) + b"\n")

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        send(explain(error))

    sys.excepthook = report
    spec = msgspec.json.decode(sys.stdin.buffer.readline(), type=Spec)
    threading.Thread(target=_end_with_the_command, args=(spec.scratch,), daemon=True).start()
    from sdtrace_collector.run import run  # noqa: PLC0415 - so that a missing torch is reported like all else

    run(spec, send)


def _end_with_the_command(scratch: str) -> None:
    """Waits for the end of stdin, which means that the command has ended; then removes `scratch` and ends.

    Compilers that were started here end too.
    """
    os.read(0, 1)
    shutil.rmtree(scratch, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
