"""A reader who does what a page says, in an empty folder beside the shipped traces."""

from __future__ import annotations

import gzip
import io
import re
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, Final

import click
import pytest

from sdtrace.cli import commands as cli
from sdtrace.cli.failures import report
from sdtrace.trace import Trace, load_trace
from tests.docs.blocks import ROOT, Block, commands

WIDTH: Final = "100"
"""Columns of the terminal whose output the pages show."""
_EAGER, _GRAPHS = "h200-fp32_eager.json", "h200-bf16_sdpa_cudagraphs.json"
_NAMED_IN_HELP: Final = {
    "run.json": _EAGER,
    "X.json": _EAGER,
    **dict.fromkeys(("A.json", "B.json", "eager.json", "compiled.json", "main.json", "branch.json"), _GRAPHS),
}
"""Traces that the help of the commands makes up, and shipped ones in their place."""


class Session:
    """What the blocks of one page share: the folder, and the names of Python."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "traces").symlink_to(ROOT / "traces")
        for name, trace in _NAMED_IN_HELP.items():
            (folder / name).symlink_to(ROOT / "traces" / trace)
        with gzip.open(folder / "run.json.gz", "wb", compresslevel=1) as file:
            file.write((ROOT / "traces" / _EAGER).read_bytes())
        (folder / "card.toml").write_text("memory_bytes_per_s = 4e12\n", encoding="utf-8")
        (folder / "mine.toml").write_text('[mine]\nbase = "fastest"\ndtype = "fp16"\n', encoding="utf-8")
        for module in ("api.loading", "analysis.trace_report"):
            monkeypatch.setattr(f"sdtrace.{module}.load_trace", _read)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", WIDTH)
        self.names: dict[str, Any] = {}

    def follow(self, block: Block) -> None:
        """Do what a block says; of one that cannot run here, look whether it could."""
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            code = compile(block.text, "block", "exec")
            if not block.needs:
                exec(code, self.names)  # our own page
        elif block.language in {"sh", "console"}:
            for command in commands(block):
                if block.needs:
                    _parse(command.words)
                else:
                    _run(command.words, command.shown, block.code)


def _read(path: Path, *how: Any, **named: Any) -> Trace:
    """The trace at `path`. Shipped ones are read once for all pages, which name them again and again."""
    return _read_once(path) if path.parent == Path("traces") else load_trace(path, *how, **named)


@cache
def _read_once(path: Path) -> Trace:
    return load_trace(path)


def _parse(words: list[str]) -> None:
    """Fail where `sdtrace` has no such command or option."""
    (program, *named), _ = _redirected(words)
    if program == "sdtrace":
        group = click.Context(cli.sdtrace)
        name, command, arguments = cli.sdtrace.resolve_command(group, named)
        assert command, f"there is no sdtrace {name}"
        command.make_context(name, arguments, parent=group)


def _run(words: list[str], shown: str | None, code: int) -> None:
    (program, *arguments), target = _redirected(words)
    assert program == "sdtrace", f"only sdtrace runs here; say what {program} needs"
    ended, printed = _invoke(arguments)
    assert ended == code, f"{' '.join(words)}\nended with {ended}:\n{printed}"
    if target:
        Path(target).write_text(printed, encoding="utf-8")
    if shown is not None:
        assert re.fullmatch(_pattern(shown), _tidy(printed)), f"{' '.join(words)}\nprinted:\n{printed}"


def _redirected(words: list[str]) -> tuple[list[str], str]:
    """A command without `> FILE` at its end, and the file."""
    return (words[:-2], words[-1]) if words[-2:-1] == [">"] else (words, "")


def _invoke(arguments: list[str]) -> tuple[int, str]:
    """The exit code of a command line run in this process, and what it printed: on stdout, else on stderr."""
    out, err = _stream(), _stream()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.run(arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # as the entry point does
            code = report(error, debug=False)
    return code, _held(out) or _held(err)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _held(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _tidy(printed: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())


def _pattern(shown: str) -> str:
    """What is shown as a regular expression: `...` alone is any lines, within a line any text."""
    return "".join(
        r"(?:[^\n]*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") + r"\n"
        for line in _tidy(shown).splitlines()
    )
