"""`sdtrace`: finds commands without importing them, and turns every problem into one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from io import TextIOWrapper
from traceback import print_exc
from typing import Final, NamedTuple

import click

from sdtrace import __version__
from sdtrace.errors import SdtraceError

GROUP: Final = "sdtrace.commands"
"""The entry-point group through which other packages, the collector among them, add commands."""
_INTERRUPTED: Final = 130
_UNWRITABLE: Final = 2


class _Command(NamedTuple):
    module: str
    summary: str


_COMMANDS: Final = {
    "analyze": _Command("sdtrace.cli.analyze", "Say where the time of each trace went; write reports."),
    "compare": _Command("sdtrace.cli.compare", "Compare traces with a baseline; fail on a regression."),
    "table": _Command("sdtrace.cli.table", "Print torch's own op table, from the file alone."),
    "query": _Command("sdtrace.cli.query", "Ask a trace in SQL."),
    "perfetto": _Command("sdtrace.cli.perfetto", "Write a trace with phases, for Perfetto."),
    "open": _Command("sdtrace.cli.open", "Open a trace in Perfetto."),
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
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            from difflib import get_close_matches  # noqa: PLC0415  # only for a mistake

            close = get_close_matches(name, self.list_commands(ctx), n=1)
            hint = (
                f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(self.list_commands(ctx))}"
            )
            ctx.fail(f"no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        rows = [(name, command.summary) for name, command in _COMMANDS.items()]
        rows += [(name, _summary(found)) for name, found in sorted(_entry_points().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _entry_points() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}


def _summary(found: EntryPoint) -> str:
    command = found.load()
    return command.get_short_help_str(70) if isinstance(command, click.Command) else ""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="sdtrace")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def sdtrace(debug: bool) -> None:
    """Say where every microsecond of a PyTorch profiler trace went.

    Compile and autotune are told apart from steady state.

    \b
    sdtrace collect --variant bf16_sdpa
    sdtrace analyze traces/*.json
    """
    del debug  # `main` looks for it itself: failures of the parsing show their traceback as well


def main() -> None:
    """Run the command line; exit with 0, or with the code of what went wrong."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names from traces may hold what a narrow encoding cannot write.
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:]
    try:
        # Accepted anywhere: whoever wants it adds it at the end of what failed.
        code = _run([word for word in arguments if word != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:
        _end_quietly(0)
    except SystemExit as ended:
        # rich turns a closed pipe into exit code 1, which here means a condition that was met.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _end_quietly(0)
    except (KeyboardInterrupt, click.Abort, click.ClickException, SdtraceError, OSError) as error:
        if "--debug" in arguments:
            print_exc()
        _fail(error)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """The exit code of a command line. Not click's own `main`: its answer to a closed pipe is 1."""
    try:
        with sdtrace.make_context("sdtrace", arguments) as context:
            code = sdtrace.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return code if isinstance(code, int) else 0


def _fail(error: BaseException) -> None:
    """Say in one line what went wrong, and exit with its code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        sys.exit(error.exit_code)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        line, code = "interrupted", _INTERRUPTED
    elif isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        line, code = f"{' '.join(error.format_message().split()).rstrip('.')}{hint}", error.exit_code
    elif isinstance(error, SdtraceError):
        line, code = str(error), error.exit_code
    else:
        what = getattr(error, "filename", None) or "cannot write the output"
        line, code = f"{what}: {getattr(error, 'strerror', None) or error}", _UNWRITABLE
    click.echo(f"sdtrace: {line}", err=True)
    if isinstance(error, OSError):
        _end_quietly(code)
    sys.exit(code)


def _end_quietly(code: int) -> None:
    """Exit without another attempt to write what is still buffered: it would fail again."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    sys.exit(code)
