"""Which files the user means: paths, patterns the shell did not expand, folders, standard input."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sdtrace.errors import UnreadableTrace

STDIN: Final = Path("-")
SUFFIXES: Final = (".json", ".json.gz", ".json.zst", ".json.xz")


def resolve(inputs: Sequence[str]) -> list[Path | UnreadableTrace]:
    """Each input as files, in order and without repeats; an error stands where an input gives none.

    Among several, torch's own tables that lie beside traces are passed over, as `*.json.gz` names them.
    """
    found: dict[Path | UnreadableTrace, None] = {}
    if len(inputs) > 1:
        inputs = [text for text in inputs if not is_companion(Path(text))]
    for text in inputs:
        try:
            items = _resolve_one(text)
        except OSError as error:
            items = [UnreadableTrace(f"{text}: cannot be looked at: {error.strerror}")]
        for item in items:
            found.setdefault(item)
    return list(found)


def _resolve_one(text: str) -> list[Path | UnreadableTrace]:
    path = Path(text)
    if path == STDIN or path.is_file():
        return [path]
    if path.is_dir():
        inside = sorted(item for item in path.iterdir() if item.name.endswith(SUFFIXES) and item.is_file())
        traces = [item for item in inside if not is_companion(item)]
        return [*traces] or [
            UnreadableTrace(f"{text}: no traces in this folder; looked for {', '.join(SUFFIXES)}")
        ]
    if glob.has_magic(text):
        matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207  # pathlib refuses absolute patterns
        traces = [match for match in matches if match.is_file()]
        return [*traces] or [UnreadableTrace(f"{text}: no file matches this pattern")]
    if path.exists():
        return [path]
    return [UnreadableTrace(f"{text}: no such file or folder")]


def is_companion(path: Path) -> bool:
    """True for files that lie next to a trace and are none: torch's table of it, or our copy for Perfetto."""
    return any(mark in path.name for mark in (".keyavg.", ".truth.", ".perfetto."))
