"""Traces by path: the last few stay in memory, so that the next question about them is answered at once."""

from __future__ import annotations

import os
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from sdtrace import units
from sdtrace.api import Analysis, load
from sdtrace.errors import OutputError, UnreadableTrace, UsageError
from sdtrace.mcp.text import table
from sdtrace.reader import STDIN, resolve

_LISTED: Final = 40
_NAMED: Final = 3


class _State(NamedTuple):
    """A file as it was when it was read: another size or time is another trace."""

    path: str
    size: int
    mtime_ns: int


class Store:
    """Analyses by path, size and time of change; of more than `kept` the one not used for longest goes."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._loaded: OrderedDict[_State, Analysis] = OrderedDict()

    def get(self, trace: str) -> Analysis:
        """The analysis of the trace at a path; of a folder or a pattern the only one there.

        Raises UnreadableTrace when there is none that can be read, UsageError when there are several.
        """
        path = _one_file(trace)
        state = _state(path)
        found = self._loaded.pop(state, None)
        self._loaded[state] = _load(path) if found is None else found
        while len(self._loaded) > self._kept:
            self._loaded.popitem(last=False)
        return self._loaded[state]


def traces(folder: str) -> str:
    """The traces of a folder or a pattern, the newest first, with sizes."""
    found = resolve([_as_path(folder)])
    paths = [item for item in found if isinstance(item, Path)]
    if not paths:
        raise next(item for item in found if isinstance(item, UnreadableTrace))
    states = sorted(map(_state, paths), key=lambda state: -state.mtime_ns)
    rows = [(state.path, units.size(state.size), _when(state)) for state in states[:_LISTED]]
    left_out = len(states) - len(rows)
    more = f"\n{left_out} older ones are not listed; give a pattern such as runs/*eager*.json.gz"
    return table(("trace", "size", "changed"), rows, whole=True) + (more if left_out else "")


def _as_path(text: str) -> str:
    """A path as typed, `~` spelled out."""
    if not text.strip():
        raise UsageError("give the path of a trace")
    return str(Path(text).expanduser())


def _one_file(text: str) -> Path:
    found = resolve([_as_path(text)])
    for item in found:
        if isinstance(item, UnreadableTrace):
            raise item
    paths = [item for item in found if isinstance(item, Path)]
    if len(paths) > 1:
        names = ", ".join(str(path) for path in paths[:_NAMED])
        raise UsageError(f"{text} is {len(paths)} traces; name one of them, such as {names}")
    # Standard input is the protocol's: here `-` is a file of that name.
    path = paths[0].absolute() if paths[0] == STDIN else paths[0]
    if not path.is_file():
        # A pipe or a terminal would be waited for without end.
        raise UnreadableTrace(f"{text}: is not an ordinary file")
    return path


def _state(path: Path) -> _State:
    try:
        found = path.stat()
    except OSError as error:
        raise UnreadableTrace(f"{path}: cannot be opened: {error.strerror}") from error
    return _State(os.fspath(path), found.st_size, found.st_mtime_ns)


def _load(path: Path) -> Analysis:
    """The analysis, by the cache of what was read; without it where its folder cannot be written."""
    try:
        return load(path, cache=True)
    except OutputError:
        return load(path)


def _when(state: _State) -> str:
    return datetime.fromtimestamp(state.mtime_ns / 1e9).astimezone().isoformat(" ", "seconds")
