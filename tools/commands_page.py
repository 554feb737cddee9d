"""docs/commands.md: every command with its arguments, options and examples, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

import click

from sdtrace.cli.commands import sdtrace

_HEAD: Final = """# Commands

Made from the commands themselves by `python -m tools.pages`; `sdtrace COMMAND --help` says the same. A TRACE
is a file (`.json`, `.json.gz`, `.json.xz`, `.json.zst`), a folder, a pattern, or `-` for standard input.
[Exit codes](compatibility.md#what-may-change-and-how) tell a script how a command ended.
"""
_NEEDS: Final = {
    "collect": "some minutes",
    "doctor": "some seconds",
    "fleet": "many traces",
    "fleet report": "many traces",
    "gate": "many traces",
    "hta": "the extra hta",
    "mcp": "an assistant",
    "open": "a browser",
    "peaks": "a GPU",
    "run": "some minutes",
    "tune": "some minutes",
}
"""Why the examples of a command do not run in the tests of the documentation."""


def text() -> str:
    """The page as Markdown, with a newline at its end."""
    with click.Context(sdtrace, info_name="sdtrace", **sdtrace.context_settings) as context:
        names = sdtrace.list_commands(context)
        commands = [sdtrace.get_command(context, name) for name in names]
        sections = [_section(command, context) for command in commands if command]
        return "\n".join([_HEAD, _anywhere(context), *sections])


def _anywhere(group: click.Context) -> str:
    help_row = f"| `{', '.join(group.help_option_names)}` | Show what a command does and its options. |"
    return f"## Anywhere\n\n{_options(sdtrace.get_params(group), group)}\n{help_row}\n"


def _section(command: click.Command, group: click.Context) -> str:
    with click.Context(command, parent=group, info_name=command.name) as context:
        usage = f"```text\n{context.get_usage().removeprefix('Usage: ')}\n```"
        options = _options(command.get_params(context), context)
        return "\n\n".join([f"## `{command.name}`", usage, *_prose(command), options]) + "\n"


def _prose(command: click.Command) -> Iterator[str]:
    """The paragraphs of the help. Those that click leaves as they are become blocks, examples to be run."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        marked, _, block = paragraph.rpartition("\b\n")
        sentence = marked.strip() or ("" if "\b" in paragraph else block)
        if sentence:
            yield " ".join(sentence.split())
        if "\b" not in paragraph:
            continue
        if block.startswith(f"sdtrace {command.name}"):
            needs = _NEEDS.get(command.name or "")
            yield (f"<!-- needs: {needs} -->\n" if needs else "") + f"```sh\n{block}\n```"
        else:
            yield f"```text\n{block}\n```"


def _options(params: list[click.Parameter], context: click.Context) -> str:
    # Every command has --help; what it is called hangs on who asked first, for click keeps it.
    options = [param for param in params if isinstance(param, click.Option) and "--help" not in param.opts]
    records = [record for option in options if (record := option.get_help_record(context))]
    rows = [f"| `{_in_cell(names)}` | {_in_cell(' '.join(said.split()))} |" for names, said in records]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _in_cell(text: str) -> str:
    """Text without the bar that would end a cell."""
    return text.replace("|", ", ").replace("`", "")
