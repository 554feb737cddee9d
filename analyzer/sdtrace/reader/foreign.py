"""Files that are no trace of torch.profiler: what each is, and what can be read of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sdtrace.errors import UnreadableTrace
from sdtrace.reader.columns import EventKey, Metadata

_LFS: Final = b"version https://git-lfs.github.com/spec/"
_TABLE: Final = b'{"self_cpu_total_us"'
_LEGACY: Final = {"CPU functions": "cpu_op", "CUDA functions": "kernel"}
"""Processes in traces of the autograd profiler from before Kineto, which writes no categories."""
_ASCEND: Final = frozenset({"Ascend Hardware", "CANN"})
_XLA: Final = ("/device:", "/host:")


def describe(text: bytes) -> str | None:
    """What a file that begins with `text` is, and what to do; None when it may be anything."""
    if text.startswith(_LFS):
        return "is a Git LFS pointer, not the trace itself; run: git lfs pull"
    if text[:64].lstrip().startswith(_TABLE):
        return "is torch's own table of a trace (key_averages), not a trace"
    return None


def recognise(path: Path, keys: list[EventKey], metadata: list[Metadata]) -> list[EventKey]:
    """The keys, with the categories that another writer left out.

    Raises UnreadableTrace when the events are of a profiler whose traces cannot be read.
    """
    processes = {entry.value for entry in metadata if entry.kind == "process_name"}
    if processes & _ASCEND:
        raise UnreadableTrace(f"{path}: was written by torch_npu (Ascend), whose traces cannot be read")
    if keys and not any(key.category for key in keys):
        if any(process.startswith(_XLA) for process in processes):
            raise UnreadableTrace(
                f"{path}: is no trace of torch.profiler; it looks like one of JAX/XLA, which cannot be read"
            )
        return [key._replace(category=_LEGACY.get(str(key.pid), "")) for key in keys]
    return keys
