"""From whatever holds a trace to an `Analysis`."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, runtime_checkable

from sdtrace.analysis.options import Options
from sdtrace.analysis.study import study_trace
from sdtrace.api.analysis import Analysis
from sdtrace.errors import UnreadableTrace, UsageError
from sdtrace.trace import load_trace


@runtime_checkable
class Profile(Protocol):
    """A `torch.profiler.profile` that has ended."""

    def export_chrome_trace(self, path: str) -> Any:
        """Write the trace; torch does so once."""


Source: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Profile"
_IN_MEMORY = Path("memory")
"""What a trace without a file is called."""


def load(source: Source, options: Options | None = None, *, cache: bool = False) -> Analysis:
    """Read a trace and study it.

    `source` is a path (plain, gzip, xz or zstd), an open binary file, the bytes of a trace, or a
    `torch.profiler.profile` that has ended: torch writes the trace of such a one only once, so keep what this
    returns. `options` says how to count; see `Options`. With `cache` what was read of a path is kept in
    `~/.cache/sdtrace` (or `$XDG_CACHE_HOME/sdtrace`), and the next look at the same bytes is quicker.

    Raises UnreadableTrace when the file is missing, no trace, or damaged beyond salvage, or torch cannot
    write it; UsageError when `source` is none of these things; OutputError when the cache cannot be written.

    >>> import sdtrace
    >>> a = sdtrace.load(getfixture("eager_trace"))
    >>> a
    <sdtrace.Analysis of h200-fp32_eager: 2 images, 11,488 events>
    >>> a.kernels["total_us"].sum().__class__.__name__
    'float'
    """
    asked = Options.of() if options is None else options
    if isinstance(source, str | os.PathLike):
        trace = load_trace(Path(source), cache=cache)
    elif isinstance(source, bytes | bytearray | memoryview):
        trace = load_trace(_IN_MEMORY, io.BytesIO(source))
    elif isinstance(source, Profile):
        return _of_profile(source, asked)
    elif hasattr(source, "read"):
        trace = load_trace(_name_of(source), source)
    else:
        wanted = "a path, an open file, bytes or a torch.profiler.profile"
        raise UsageError(f"cannot load a {type(source).__name__}; give {wanted}")
    return Analysis(study_trace(trace, asked.rules), asked)


def _of_profile(profile: Profile, options: Options) -> Analysis:
    with tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
        path = Path(folder, "profile.json")
        try:
            profile.export_chrome_trace(str(path))
        except (RuntimeError, AssertionError) as error:
            why = str(error) or "it has not run"
            raise UnreadableTrace(f"torch cannot write the trace of this profile: {why}") from error
        return load(path, options)


def _name_of(file: object) -> Path:
    name = getattr(file, "name", None)
    return Path(name) if isinstance(name, str) else _IN_MEMORY
