"""How the process holds memory while it works through arrays of hundreds of megabytes."""

from __future__ import annotations

import os
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
"""Parameters of glibc's `mallopt` (malloc.h)."""
_NEVER: Final = 2**31 - 1


def reuse_freed_memory() -> None:
    """Keep what is freed for the next array, where the C library is glibc.

    By itself glibc hands every freed block of more than 32 MiB back to the system, which has to find and
    clear pages again for the next one: for long traces, and on virtual machines above all, a seventh of
    the whole time. The process ends soon and returns everything then.
    """
    if not _is_glibc():
        return
    import ctypes  # noqa: PLC0415  # numpy loads it anyhow; `--help` does without

    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _NEVER)


def _is_glibc() -> bool:
    name = "CS_GNU_LIBC_VERSION"
    return name in getattr(os, "confstr_names", {}) and (os.confstr(name) or "").startswith("glibc")
