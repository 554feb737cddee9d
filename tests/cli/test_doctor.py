"""What is installed is said as it is, and what is missing with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sdtrace.cli.doctor_checks import collect_checks
from sdtrace.cli.doctor_device import Probe
from sdtrace.cli.doctor_traces import empty_trace_checks, run_check
from tests.cli.command import run_process

_HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ImportError("No module named " + repr(name))
sys.meta_path.insert(0, Hidden())
for name in {names!r}:
    sys.modules.pop(name, None)
sys.argv = ["sdtrace", "doctor"]
from sdtrace.cli import doctor_device
doctor_device._PROBE = ""
from sdtrace.cli.main import main
main()
"""
"""Without importing torch, which takes most of the time and is asked in a process of its own."""
_GPU = {"torch": "2.13.0+cu130", "cuda": "13.0", "kineto": True, "available": True, "device": "NVIDIA H200"}


def _lines(text: str) -> dict[str, str]:
    return {line.split()[1]: line for line in text.splitlines()}


def test_every_check_has_one_line_and_analyzing_works(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('a torch in this folder is not asked about')")
    done = run_process("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    lines = _lines(done.stdout)
    analyzing = {"python", "sdtrace", "polars", "msgspec", "numpy", "isal", "analyze"}
    assert analyzing | {"torch", "disk", "profiler", "run"} <= set(lines)
    for line in lines.values():
        assert line.startswith(("ok  ", "warn"))
        assert line.startswith("ok") or "fix:" in line or "no GPU" in line
    assert version("polars") in lines["polars"]
    assert version("torch") in lines["torch"]


def test_a_missing_package_fails_when_analyzing_needs_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HIDE.format(names=["polars", "isal"])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": ""},
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = _lines(done.stdout)
    assert lines["polars"].startswith("FAIL")
    assert "fix: pip install --force-reinstall polars" in lines["polars"]
    assert lines["isal"].startswith("FAIL")
    assert lines["compiler"].startswith("warn")


@pytest.mark.parametrize(
    ("probe", "check", "status", "said"),
    [
        (Probe({}, "", "ImportError: libcudart.so"), "torch", "warn", "libcudart"),
        (Probe({**_GPU, "device_events": 2}, "", ""), "cupti", "ok", "GPU events arrive"),
        (Probe({**_GPU, "device_events": 0}, "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES", ""), "cupti", "warn",
         "NVreg_RestrictProfilingToAdminUsers=0"),
        (Probe({**_GPU, "device_events": 0}, "", ""), "cupti", "warn", "libcupti"),
        (Probe({**_GPU, "device_events": 0}, "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED", ""), "cupti",
         "warn", "another profiler holds it"),
        (Probe({**_GPU, "kineto": False}, "", ""), "cupti", "warn", "without Kineto"),
        (Probe(_GPU, "", "Segmentation fault"), "cupti", "warn", "Segmentation fault"),
        (Probe({**_GPU, "available": False}, "", ""), "device", "warn", "GPU"),
    ],
)  # fmt: skip
def test_what_a_probe_means(probe: Probe, check: str, status: str, said: str) -> None:
    found = {line.name: line for line in collect_checks(probe)}
    assert found[check].status == status
    assert said in f"{found[check].found} {found[check].fix}"


@pytest.mark.parametrize(
    ("environment", "facts", "check", "fix"),
    [
        ({"CUDA_LAUNCH_BLOCKING": "1"}, {}, "launches", "unset CUDA_LAUNCH_BLOCKING"),
        ({"CUDA_INJECTION64_PATH": "/opt/x.so"}, {}, "injection", "unset CUDA_INJECTION64_PATH; end nsys"),
        ({"KINETO_USE_DAEMON": "1"}, {}, "daemon", "unset KINETO_USE_DAEMON"),
        ({}, {"profiling": True}, "profiler", "sitecustomize.py"),
        ({}, {"cpu_events": 0}, "profiler", "install torch"),
    ],
)
def test_why_a_trace_may_be_empty(
    environment: dict[str, str], facts: dict[str, object], check: str, fix: str
) -> None:
    (found,) = empty_trace_checks(environment, Probe(facts, "", ""))
    assert (found.status, found.name) == ("warn", check)
    assert fix in found.fix


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    (found,) = empty_trace_checks({"CUDA_LAUNCH_BLOCKING": "0"}, Probe({"cpu_events": 3}, "", ""))
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("facts", "status", "said"),
    [
        ({"pipelines": True}, "ok", "are seen"),
        ({"pipelines": False, "pipelines_why": "ImportError: x"}, "warn", "ImportError: x"),
        ({}, "warn", "diffusers is not installed"),
    ],
)
def test_what_run_needs(facts: dict[str, object], status: str, said: str) -> None:
    found = run_check(Probe(facts, "", ""))
    assert found.status == status
    assert said in found.found
