"""A worker process: tasks come on standard input, outcomes go to standard output, until it is closed.

Each message is its length, 8 bytes, little-endian, and so many bytes.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO, Final

LENGTH: Final = struct.Struct("<Q")


def main() -> None:
    """Work until there is no more. Whatever prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the tasks.
    # Quiet where whoever gave the tasks is gone.
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        from sdtrace.fleets.task import run_task  # noqa: PLC0415  # nothing is printed before

        while (task := receive(sys.stdin.buffer)) is not None:
            send(answers, run_task(task))


def receive(file: BinaryIO) -> bytes | None:
    """The next message; None at the end, and where one was cut off."""
    head = file.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    message = file.read(length)
    return message if len(message) == length else None


def send(file: BinaryIO, message: bytes) -> None:
    """Write a message and flush it. Raises OSError where nobody reads any more."""
    file.write(LENGTH.pack(len(message)) + message)
    file.flush()


if __name__ == "__main__":
    main()
