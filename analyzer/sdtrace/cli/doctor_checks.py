"""What must be there for analyzing and for collecting, one check each, with the fix."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from sdtrace import __version__
from sdtrace.cli.doctor_check import BUSY, END_OTHERS, Check
from sdtrace.cli.doctor_device import Probe
from sdtrace.cli.doctor_traces import empty_trace_checks, run_check
from sdtrace.errors import SdtraceError

_REQUIRED: Final = ("polars", "msgspec", "numpy", "isal", "jinja2", "rich")
_COLLECT: Final = "pip install 'sdtrace[collect]'"
_OLDEST_PYTHON: Final = (3, 11)
_ENOUGH_DISK: Final = 2 << 30
_PERMISSION_FIX: Final = (
    "write `options nvidia NVreg_RestrictProfilingToAdminUsers=0` to /etc/modprobe.d/nvidia-profiling.conf "
    "and reboot, or run as root; in a container add --cap-add=SYS_ADMIN"
)
_DENIED: Final = ("INSUFFICIENT_PRIVILEGES", "NVGPUCTRPERM")
_MINIMAL: Final = (
    b'{"traceEvents":[{"ph":"X","cat":"cpu_op","name":"aten::add","pid":1,"tid":1,"ts":1.0,"dur":2.5}]}'
)


def analysis_checks() -> Iterator[Check]:
    """Python, the packages that analyzing needs, and whether it works."""
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _OLDEST_PYTHON:
        yield Check("ok", "python", f"{python} ({sys.executable})")
    else:
        yield Check("fail", "python", python, "install Python 3.11 or later")
    yield Check("ok", "sdtrace", __version__)
    for package in _REQUIRED:
        yield _required(package)
    zstandard = _installed("zstandard")
    if zstandard is None:
        yield Check("warn", "zstandard", "missing: no .json.zst", "pip install 'sdtrace[zstd]'")
    else:
        yield Check("ok", "zstandard", zstandard)
    yield _analysis()


def _required(package: str) -> Check:
    try:
        import_module(package)
    except ImportError as error:
        return Check(
            "fail", package, f"cannot be imported: {error}", f"pip install --force-reinstall {package}"
        )
    return Check("ok", package, _installed(package) or "installed")


def _analysis() -> Check:
    """A trace of one event, from the file to the report."""
    try:
        from sdtrace.analysis import Options, analyze  # noqa: PLC0415  # what is missing shows here

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "minimal.json")
            path.write_bytes(_MINIMAL)
            report = analyze(path, Options.of())
    except (ImportError, OSError, SdtraceError) as error:
        return Check("fail", "analyze", f"does not work: {error}", "pip install --force-reinstall sdtrace")
    if report.wall_us != 2.5:
        found = f"is wrong: {report.wall_us} us instead of 2.5 us"
        return Check("fail", "analyze", found, "pip install --force-reinstall sdtrace")
    return Check("ok", "analyze", "a minimal trace was read and reported on")


def collect_checks(probe: Probe) -> Iterator[Check]:
    """What collecting needs besides; `probe` says what torch can do."""
    yield _torch(probe)
    if "torch" in probe.facts:
        yield _device(probe)
        if probe.facts.get("available"):
            yield _cupti(probe)
        yield from empty_trace_checks(os.environ, probe)
        yield run_check(probe)
    for package in ("diffusers", "transformers"):
        found = _installed(package)
        yield Check("ok", package, found) if found else Check("warn", package, "not installed", _COLLECT)
    yield from _compile_checks(probe)
    yield _disk()


def _torch(probe: Probe) -> Check:
    found = probe.facts.get("torch")
    if found is None and _installed("torch") is None:
        return Check("warn", "torch", "not installed: traces can be read, not collected", _COLLECT)
    if found is None:
        why = probe.failure
        return Check("warn", "torch", f"cannot be imported: {why}", f"{_COLLECT} --force-reinstall")
    backend = probe.facts.get("cuda") or probe.facts.get("hip")
    return Check("ok", "torch", f"{found} ({f'CUDA {backend}' if backend else 'CPU only'})")


def _device(probe: Probe) -> Check:
    facts = probe.facts
    driver = _driver()
    if facts.get("available"):
        gib = facts.get("memory", 0) / 2**30
        found = (
            f"{facts.get('device')}, {gib:.0f} GiB; {facts.get('count')} in all; driver {driver or 'unknown'}"
        )
        return Check("ok", "device", found)
    if not driver:
        return Check("warn", "device", "no GPU: collecting runs on the CPU, with a small model")
    if not facts.get("cuda"):
        fix = "install a CUDA build of torch: https://pytorch.org/get-started/locally"
        return Check("warn", "device", f"driver {driver}, but torch was built without CUDA", fix)
    why = facts.get("why") or "torch sees no device"
    fix = f"install a driver that knows CUDA {facts['cuda']}, and check CUDA_VISIBLE_DEVICES"
    return Check("warn", "device", f"driver {driver}: {' '.join(str(why).split())}", fix)


def _cupti(probe: Probe) -> Check:
    """Whether the profiler sees what runs on the GPU."""
    events = probe.facts.get("device_events")
    if events:
        return Check("ok", "cupti", f"GPU events arrive ({events} for one kernel)")
    if any(word in probe.stderr for word in _DENIED):
        return Check("warn", "cupti", "not permitted: traces will hold no GPU work", _PERMISSION_FIX)
    if not probe.facts.get("kineto"):
        fix = "install torch from https://pytorch.org or PyPI"
        return Check("warn", "cupti", "torch was built without Kineto: no GPU work in traces", fix)
    if events is None:
        return Check("warn", "cupti", f"profiling a kernel failed: {probe.failure}", _COLLECT)
    if any(word in probe.stderr for word in BUSY):
        return Check("warn", "cupti", "another profiler holds it: no GPU work in traces", END_OTHERS)
    fix = f"pip install nvidia-cuda-cupti, should libcupti be missing; {END_OTHERS}"
    return Check("warn", "cupti", "no GPU events arrive: traces will hold no GPU work", fix)


def _compile_checks(probe: Probe) -> Iterator[Check]:
    """What torch.compile needs: a C compiler with Python's headers, and Triton on a GPU."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "gcc", "clang", "cc"))), None)
    header = Path(sysconfig.get_path("include"), "Python.h")
    if compiler is None:
        yield Check(
            "warn", "compiler", "no C compiler: compiled variants will fail", "apt install build-essential"
        )
    elif not header.is_file():
        found = f"{compiler}, but no {header}: compiled variants may fail"
        yield Check("warn", "compiler", found, "apt install python3-dev")
    else:
        yield Check("ok", "compiler", f"{compiler}, with Python.h")
    triton = _installed("triton") or _installed("pytorch-triton-rocm")
    if triton:
        yield Check("ok", "triton", triton)
    elif probe.facts.get("available"):
        yield Check("warn", "triton", "not installed: compiled variants will fail", "pip install triton")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    space = f"{free / 2**30:.1f} GiB free in {Path.cwd()}"
    if free < _ENOUGH_DISK:
        return Check("warn", "disk", f"{space}; a cold trace takes 0.5 GiB", "use --gzip, or -o elsewhere")
    return Check("ok", "disk", space)


def _driver() -> str:
    """The version of NVIDIA's driver; '' without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else ""


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
