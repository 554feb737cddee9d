"""What torch can do here, asked in a process of its own: the analyzer never imports torch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final, NamedTuple

_TIMEOUT_S: Final = 180
_PROBE: Final = """
import json, warnings

def tell(**facts):
    print("\\n" + json.dumps(facts), flush=True)

warnings.simplefilter("ignore")
import torch
tell(torch=torch.__version__, cuda=torch.version.cuda, hip=torch.version.hip)
tell(kineto=torch.autograd.kineto_available())
tell(profiling=torch.autograd._profiler_enabled())
try:
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline
    tell(pipelines=hasattr(DiffusionPipeline, "register_modules"))
except Exception as error:
    tell(pipelines=False, pipelines_why=f"{type(error).__name__}: {error}"[:200])
from torch.profiler import ProfilerActivity, profile
with profile(activities=[ProfilerActivity.CPU]) as profiler:
    torch.ones(1).add_(1)
tell(cpu_events=len(profiler.events()))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    available = torch.cuda.is_available()
tell(available=available, why=" ".join(str(item.message) for item in caught))
if available:
    properties = torch.cuda.get_device_properties(0)
    tell(device=properties.name, count=torch.cuda.device_count(), memory=properties.total_memory)
    x = torch.ones(1 << 20, device="cuda")
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        x.add_(1)
        torch.cuda.synchronize()
    found = [event.name for event in profiler.events() if event.device_type.name == "CUDA"]
    tell(device_events=len(found))
"""


class Probe(NamedTuple):
    """The facts that the process printed before it ended, and its stderr; `failure` is '' when it ended well.

    Keys of `facts`: torch, cuda, hip, kineto, profiling, pipelines, pipelines_why, cpu_events, available,
    why, device, count, memory, device_events.
    """

    facts: dict[str, Any]
    stderr: str
    failure: str


def probe_torch() -> Probe:
    """Import torch and profile one kernel, in a new process. Takes seconds."""
    try:
        # -P: a torch.py in this folder is not what is asked about.
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe({}, "", f"it took more than {_TIMEOUT_S} s")
    except OSError as error:
        return Probe({}, "", f"Python could not be started: {error.strerror}")
    facts: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            facts.update(json.loads(line))
    return Probe(facts, done.stderr, "" if done.returncode == 0 else _last_line(done.stderr, done.returncode))


def _last_line(text: str, code: int) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else f"it ended with code {code}"
