"""The installed command, run as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

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
    "hta",
    "perfetto",
    "slim",
    "open",
    "doctor",
    "collect",
    "peaks",
    "tune",
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
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `sdtrace` in `cwd`, at 80 columns."""
    if not ENTRY_POINT.exists():
        pytest.skip("sdtrace is not installed beside this Python")
    return subprocess.run(
        [ENTRY_POINT, *arguments],
        cwd=cwd,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "COLUMNS": "80", **(environment or {})},
        timeout=120,
        check=False,
    )


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr of a command that failed with `code`."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("sdtrace: ")
    assert "Traceback" not in done.stderr
    return done.stderr
