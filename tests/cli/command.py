"""`sdtrace` as a person runs it. Most tests call its entry point in their own process, which imports once."""

from __future__ import annotations

import io
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Final
from unittest import mock

import pytest

from sdtrace.cli.main import main
from tests.forks import Fork, parent_of

ENTRY_POINT: Final = Path(sys.executable).parent / "sdtrace"
TRACES: Final = Path(__file__).parents[2] / "traces"
EAGER: Final = TRACES / "h200-fp32_eager.json"
GRAPHS: Final = TRACES / "h200-bf16_sdpa_cudagraphs.json"
COLD: Final = TRACES / "h200-bf16_sdpa_regional.cold.json.gz"
COMMANDS: Final = (
    "analyze",
    "compare",
    "table",
    "roofline",
    "query",
    "fleet",
    "fleet report",
    "gate",
    "hta",
    "mcp",
    "perfetto",
    "slim",
    "open",
    "doctor",
    "collect",
    "peaks",
    "tune",
    "run",
    "variants",
)
ANY_WORK: Final = "--allow-different-work"
"""The shipped traces are of different numbers of steps."""
READING: Final = {
    "analyze": ["--format", "terminal"],
    "table": [],
    "roofline": [],
    "query": ["SELECT count(*) FROM events"],
    "perfetto": [],
    "slim": ["-o", "part.json"],
    "compare": [ANY_WORK, str(EAGER)],
}
"""Commands that read a trace, with what follows it."""
MINIMAL: Final = (
    '{"traceEvents":[{"ph":"X","cat":"cpu_op","name":"aten::add","pid":1,"tid":1,"ts":1.0,"dur":2.5}]}'
)


def run(
    *arguments: str | Path,
    cwd: Path,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> subprocess.CompletedProcess[str]:
    """The entry point called with `arguments` in `cwd`, at 80 columns; `encoding` is that of the terminal."""
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2))
    with (
        chdir(cwd),
        _signals_kept(),
        mock.patch.dict(os.environ, {"COLUMNS": "80", **(environment or {})}),
        mock.patch.multiple(
            sys, argv=[str(ENTRY_POINT), *map(str, arguments)], stdin=given, stdout=out, stderr=err
        ),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    said = (stream.buffer.getvalue().decode(encoding, "replace") for stream in (out, err))
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), *said)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo what the entry point does to the process: it would have ended."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_process(
    *arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The installed command in a process of its own: for what a process finds at its start, and imports."""
    if not ENTRY_POINT.exists():
        pytest.skip("sdtrace is not installed beside this Python")
    return subprocess.run(
        [ENTRY_POINT, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "COLUMNS": "80", **(environment or {})},
        timeout=120,
        check=False,
    )


_NEEDED: Final = ("sdtrace.cli.main", "sdtrace.cli.commands", "numpy", "rich.console", "sdtrace.reader")
"""Without polars, which starts threads."""
_PROGRAM: Final = """
import sys
from sdtrace.cli.main import program
sys.argv[0] = "sdtrace"
program()
"""


def start_fork(*arguments: str | Path, streams: Sequence[int | None], cwd: Path) -> Fork:
    """The command in a process whose modules are there already: for what it meets after its start."""
    return Fork(parent_of(*_NEEDED).start(["-c", _PROGRAM, *map(str, arguments)], streams, cwd=cwd))


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr of a command that failed with `code`."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("sdtrace: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def shell_line(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of a POSIX shell in which `sdtrace` is the command."""
    return subprocess.run(
        ["sh", "-c", line.replace("sdtrace", shlex.quote(str(ENTRY_POINT)), 1)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
