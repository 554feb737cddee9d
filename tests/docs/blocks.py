"""The fenced blocks of the documentation, and what a comment above one says about it.

`<!-- needs: a GPU -->` keeps a block from running, `<!-- file: NAME -->` writes it to a file for the blocks
below, `<!-- exits with: 1 -->` is how its commands end.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "traces" / "README.md"]
)
LANGUAGES: Final = {"console", "diff", "py", "pycon", "python", "sh", "sql", "text", "toml", "yaml"}
"""`py` is a signature, `pycon` an example of a docstring, which runs where the docstring is."""
_BLOCK: Final = re.compile(
    r"(?:^<!-- (?P<key>needs|file|exits with): (?P<value>[^\n]*) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block; `needs`, `file` and `code` are what the comment above it says."""

    language: str
    text: str
    needs: str = ""
    file: str = ""
    code: int = 0

    @property
    def is_run(self) -> bool:
        """Whether it holds commands or a program."""
        return self.language in {"sh", "console", "python"}


class Command(NamedTuple):
    """A command as typed, in words, and what is shown below it; None where nothing is."""

    words: list[str]
    shown: str | None


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order; `page` is its path in the repository."""
    return [_block(match) for match in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def _block(match: re.Match[str]) -> Block:
    said = {match["key"]: match["value"]}
    code = int(said.get("exits with", "0"))
    return Block(match["language"], match["text"], said.get("needs", ""), said.get("file", ""), code)


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block of the language `sh` or `console`."""
    if block.language == "sh":
        yield from (Command(words, None) for words in _scripts(block.text))
        return
    before, *typed = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert typed, "a block of the language console begins with `$ `"
    assert not before, f"this stands before the first command: {before}"
    for lines in (each.splitlines(keepends=True) for each in typed):
        ends = (end for end in range(1, len(lines) + 1) if _split("".join(lines[:end])) is not None)
        end = next(ends, 0)
        assert end, f"a quote is never closed: {lines[0]}"
        yield Command(_split("".join(lines[:end])) or [], "".join(lines[end:]))


def _scripts(text: str) -> Iterator[list[str]]:
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if (words := _split(pending)) is not None:
            pending = ""
            if words:
                yield words
    assert not pending, f"a quote is never closed: {pending}"


def _split(text: str) -> list[str] | None:
    """The words of a command; None while a quote is open or the line goes on."""
    if text.endswith("\\\n"):
        return None
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return None
