"""Other tools that read the same traces, each run in a Python that has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

_JSON = "import json, sys; json.load(open(sys.argv[1], encoding='utf-8', errors='replace'))"
_HTA = """
import sys
from hta.trace_analysis import TraceAnalysis
analysis = TraceAnalysis(trace_files={0: sys.argv[1]}, trace_dir="")
analysis.get_gpu_kernel_breakdown(visualize=False)
"""
_PROBE = """
import importlib.metadata, importlib.util, sys
found = importlib.util.find_spec(sys.argv[1].partition(".")[0]) and importlib.util.find_spec(sys.argv[1])
print(importlib.metadata.version(sys.argv[2]) if found else "", end="")
"""


class Tool(NamedTuple):
    """A tool, ready to run."""

    name: str
    command: Sequence[str]
    """Arguments before the trace."""
    after: Sequence[str] = ()
    """Arguments after the trace."""

    def on(self, trace: Path) -> list[str]:
        """The command line for one trace."""
        return [*self.command, str(trace), *self.after]


class _Peer(NamedTuple):
    name: str
    module: str
    """What tells it from other packages of the same name; empty when every Python has it."""
    distribution: str
    arguments: Sequence[str]
    after: Sequence[str] = ()


_TRACELENS: Final = "TraceLens.Reporting.generate_perf_report_pytorch"
_TORCH: Final = "torch._inductor.analysis.profile_analysis"
_PEERS: Final = (
    _Peer("HTA (load, kernel breakdown)", "hta.trace_analysis", "HolisticTraceAnalysis", ("-c", _HTA)),
    _Peer("torch profile_analysis", _TORCH, "torch", ("-m", _TORCH, "--analysis"), ("float32",)),
    _Peer("TraceLens report", _TRACELENS, "TraceLens", ("-m", _TRACELENS, "--profile_json_path")),
)


def ours(folder: Path) -> Tool:
    """`sdtrace analyze` to HTML, Markdown and JSON, in this Python."""
    command = (sys.executable, "-m", "sdtrace", "analyze")
    return Tool("sdtrace analyze", command, ("-o", str(folder / "report"), "--force"))


def find_peers(pythons: Sequence[str], folder: Path) -> tuple[list[Tool], list[str]]:
    """Peers that one of `pythons` has, `json.load` first; and the names of those that none has."""
    found, missing = [Tool("json.load", (sys.executable, "-c", _JSON))], []
    for peer in _PEERS:
        for python in pythons:
            version = _version(python, peer)
            if version:
                after = (
                    (*peer.after, "--output_csvs_dir", str(folder / "peer"))
                    if peer.module == _TRACELENS
                    else peer.after
                )
                found.append(Tool(f"{peer.name} {version}", (python, *peer.arguments), after))
                break
        else:
            missing.append(peer.name)
    return found, missing


def _version(python: str, peer: _Peer) -> str:
    probe = [python, "-c", _PROBE, peer.module, peer.distribution]
    return subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip()
