"""Runs `sdtrace collect` as a user's shell would, in a process where torch cannot be imported.

Only the command's own process is kept from torch: its workers are fresh interpreters that have it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import sys
for name in ("torch", "diffusers", "transformers"):
    sys.modules[name] = None
from sdtrace.errors import SdtraceError
from sdtrace_collector.cli import collect
try:
    collect()
except SdtraceError as error:
    print(f"sdtrace: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def start(*arguments: str | Path, memory: int | None = None, **environment: str) -> subprocess.Popen[str]:
    """The running command; stdout and stderr are pipes. `memory`: bytes it and its workers may address.

    One thread each: tests run side by side, and threads that wait for one another would spin.
    """
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))" if memory else ""
    return subprocess.Popen(
        [sys.executable, "-c", limit + _PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"OMP_NUM_THREADS": "1", **os.environ, **environment},
    )


def collect(
    *arguments: str | Path, memory: int | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command's exit code and what it said."""
    process = start(*arguments, memory=memory, **environment)
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
