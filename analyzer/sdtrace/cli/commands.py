"""`sdtrace`: the commands by name, each imported when it is used."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from sdtrace import __version__
from sdtrace.suggestions import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_COMPLETE: Final = "_SDTRACE_COMPLETE"
"""What a shell sets that asks for completions."""
GROUP: Final = "sdtrace.commands"
"""The entry-point group through which other packages, the collector among them, add commands."""


class _Command(NamedTuple):
    module: str
    summary: str


_COMMANDS: Final = {
    "analyze": _Command("sdtrace.cli.analyze", "Say where the time of each trace went; write reports."),
    "compare": _Command("sdtrace.cli.compare", "Compare traces with a baseline; fail on a regression."),
    "table": _Command("sdtrace.cli.table", "Print torch's own op table, rebuilt from the file."),
    "roofline": _Command("sdtrace.cli.roofline", "Hold GPU work against what the card could do."),
    "query": _Command("sdtrace.cli.query", "Ask traces in SQL."),
    "fleet": _Command("sdtrace.cli.fleet", "Read many traces into a store, to ask and to judge."),
    "fleet report": _Command("sdtrace.cli.fleet_report", "Report on a store: trends, regressions, hosts."),
    "gate": _Command("sdtrace.cli.gate", "Hold a trace against earlier runs; fail when it is worse."),
    "hta": _Command("sdtrace.cli.hta", "Run HolisticTraceAnalysis on a trace, exactly."),
    "mcp": _Command("sdtrace.cli.mcp", "Answer a coding assistant's questions about traces."),
    "perfetto": _Command("sdtrace.cli.perfetto", "Write a trace with phases, for Perfetto."),
    "slim": _Command("sdtrace.cli.slim", "Write a part of a trace, to keep or share."),
    "open": _Command("sdtrace.cli.open", "Open a trace in Perfetto, or a report."),
    "doctor": _Command("sdtrace.cli.doctor", "Check what is installed and usable here."),
}


class _Commands(click.Group):
    """Commands by name; each is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [*_COMMANDS, *sorted(_entry_points())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        if cmd_name in _COMMANDS:
            command = vars(import_module(_COMMANDS[cmd_name].module))["command"]
        elif cmd_name in (found := _entry_points()):
            command = found[cmd_name].load()
        else:
            return None
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if " ".join(args[:2]) in _COMMANDS and len(args) > 1:
            args = [" ".join(args[:2]), *args[2:]]
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and name not in _entry_points():
            known = self.list_commands(ctx)
            ctx.fail(f"no command {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        rows = [(name, command.summary) for name, command in _COMMANDS.items()]
        rows += [(name, _summary(found)) for name, found in sorted(_entry_points().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # the most expensive import of a short command

    return {found.name: found for found in entry_points(group=GROUP)}


def _summary(found: EntryPoint) -> str:
    try:
        command = found.load()
    except ImportError as error:
        return f"cannot be loaded: {error}"
    return command.get_short_help_str(70) if isinstance(command, click.Command) else ""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="sdtrace")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def sdtrace(debug: bool) -> None:
    """Say where every microsecond of a PyTorch profiler trace went.

    Compile and autotune time are kept apart from steady state.

    \b
    sdtrace collect --variant bf16_sdpa
    sdtrace analyze traces/*.json
    """
    del debug  # read in `failures`: a failure of the parsing shows its traceback as well


def run(arguments: list[str]) -> int:
    """The exit code of a command line. Not click's own `main`: its answer to a closed pipe is 1.

    A shell that asks for completions gets click's answer instead.
    """
    if _COMPLETE in os.environ:
        sdtrace.main(prog_name="sdtrace", complete_var=_COMPLETE)
    try:
        with sdtrace.make_context("sdtrace", arguments) as context:
            code = sdtrace.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return code if isinstance(code, int) else 0
