"""What makes a trace empty or untrue, and what `sdtrace run` needs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Final

from sdtrace.cli.doctor_check import END_OTHERS, Check
from sdtrace.cli.doctor_device import Probe

_INJECTED: Final = ("CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH", "CUPTI_INJECTION64_PATH")
"""What NVIDIA's profilers set for the programs that they start."""
_ENOUGH_SPACE: Final = 1 << 30


def empty_trace_checks(environment: Mapping[str, str], probe: Probe) -> Iterator[Check]:
    """What is set for programs started from here, and whether a profile in them begins and ends."""
    if environment.get("CUDA_LAUNCH_BLOCKING", "0") not in ("", "0"):
        found = "CUDA_LAUNCH_BLOCKING is set: the CPU waits for each kernel, and traces show that"
        yield Check("warn", "launches", found, "unset CUDA_LAUNCH_BLOCKING")
    injected = [name for name in _INJECTED if environment.get(name)]
    if injected:
        found = f"{injected[0]} is set: another profiler may hold CUPTI, and traces hold no GPU work"
        yield Check("warn", "injection", found, f"unset {' '.join(injected)}; {END_OTHERS}")
    if environment.get("KINETO_USE_DAEMON"):
        found = "KINETO_USE_DAEMON is set: a daemon may start a profile that ends yours"
        yield Check("warn", "daemon", found, "unset KINETO_USE_DAEMON")
    if probe.facts.get("profiling"):
        found = "a profiler runs as soon as torch is imported, and no second one can: traces stay empty"
        fix = "stop it where it is started (sitecustomize.py or usercustomize.py): profiler.stop()"
        yield Check("warn", "profiler", found, fix)
    elif probe.facts.get("cpu_events") == 0:
        found = "a profile of one op holds no event: torch was built without its profiler"
        yield Check("warn", "profiler", found, "install torch from https://pytorch.org or PyPI")
    elif probe.facts.get("cpu_events"):
        found = "a profile begins, ends and holds events; one that is never stopped is never written"
        yield Check("ok", "profiler", found)


def run_check(probe: Probe) -> Check:
    """Whether `sdtrace run` sees the pipelines of a script and can keep their trace while it runs."""
    space = shutil.disk_usage(tempfile.gettempdir()).free
    if space < _ENOUGH_SPACE:
        found = f"{space / 2**30:.1f} GiB free in {tempfile.gettempdir()}, where a trace waits for its facts"
        return Check("warn", "run", found, "free some, or set TMPDIR to another disk")
    if not probe.facts.get("pipelines"):
        why = probe.facts.get("pipelines_why") or "diffusers is not installed"
        found = f"no pipelines are seen ({why}), only --function and --every-module"
        return Check("warn", "run", found, "pip install 'sdtrace[collect]'")
    return Check("ok", "run", "pipelines of diffusers are seen as they are made")
