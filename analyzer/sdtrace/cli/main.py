"""The entry point. It imports everything else inside, so that Ctrl-C is quiet from the start."""

from __future__ import annotations

import signal
import sys


def _without_debug(words: list[str]) -> list[str]:
    """Accepted anywhere: whoever wants it adds it at the end of what failed. A script's own one stays."""
    if "run" in words[:2]:
        return words
    return [word for word in words if word != "--debug"]


def main() -> None:
    """Run the command line in `sys.argv` and exit with its code; a problem is one line on stderr."""
    try:
        from sdtrace.cli.environment import prepare  # noqa: PLC0415  # see above

        prepare()
        from sdtrace.cli.commands import run  # noqa: PLC0415  # as above

        code = run(_without_debug(sys.argv[1:]))
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  # whatever it is, it gets its line and its exit code
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from sdtrace.cli.failures import report  # noqa: PLC0415  # only a failure needs it

        code = report(error, debug="--debug" in sys.argv)
    sys.exit(code)


def program() -> None:
    """What the process `sdtrace` is: `main`, and a quick end.

    torch, and scripts that `sdtrace run` runs, may have things to do when the interpreter ends.
    """
    try:
        main()
    except SystemExit as ended:
        if "torch" in sys.modules:
            raise
        from sdtrace.cli.environment import leave  # noqa: PLC0415  # as above

        leave(int(ended.code or 0))
