"""Help, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import COMMANDS, EAGER, run

_HEAVY = ("numpy", "polars", "torch", "rich", "jinja2")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_within_80_columns(command: str, tmp_path: Path) -> None:
    done = run(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: sdtrace {command} ")
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_two_examples(command: str, tmp_path: Path) -> None:
    lines = run(command, "--help", cwd=tmp_path).stdout.splitlines()
    assert sum(line.startswith(f"  sdtrace {command}") for line in lines) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell: str, tmp_path: Path) -> None:
    def asked(**environment: str) -> str:
        return run(cwd=tmp_path, environment=environment).stdout

    assert "sdtrace" in asked(_SDTRACE_COMPLETE=f"{shell}_source")
    words = {"COMP_WORDS": "sdtrace ana", "COMP_CWORD": "ana" if shell == "fish" else "1"}
    assert "analyze" in asked(_SDTRACE_COMPLETE=f"{shell}_complete", **words)
    words = {"COMP_WORDS": "sdtrace slim --dr", "COMP_CWORD": "--dr" if shell == "fish" else "2"}
    assert "--drop-python" in asked(_SDTRACE_COMPLETE=f"{shell}_complete", **words)


def test_the_group_lists_every_command_with_its_summary(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.partition("Commands:")[2].splitlines()
    told = dict(line.strip().split("  ", 1) for line in lines if line)
    assert sorted(told) == sorted(COMMANDS)
    assert all(text.strip() for text in told.values())


def test_summaries_in_the_list_are_those_of_the_commands(tmp_path: Path) -> None:
    from sdtrace.cli.commands import sdtrace  # noqa: PLC0415  # beside the commands it describes

    done = run("--help", cwd=tmp_path)
    for name in COMMANDS[:-5]:
        command = sdtrace.get_command(sdtrace.make_context("sdtrace", ["doctor"]), name)
        assert command is not None
        assert command.short_help is not None
        assert command.short_help in done.stdout


def test_version(tmp_path: Path) -> None:
    from sdtrace import __version__  # noqa: PLC0415  # as above

    assert run("--version", cwd=tmp_path).stdout == f"sdtrace, version {__version__}\n"


def test_no_arguments_show_the_help_and_are_a_usage_error(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 2
    assert "Usage: sdtrace" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], ()),
        (["analyze", "--help"], ()),
        (["compare", "--help"], ()),
        (["doctor", "--help"], ()),
        (["fleet", "--help"], ()),
        (["fleet", "report", "--help"], ()),
        (["gate", "--help"], ()),
        (["variants"], ("rich",)),
        (["table", str(EAGER)], ("numpy",)),
    ],
)
def test_nothing_is_imported_that_is_not_needed(
    arguments: list[str], allowed: tuple[str, ...], tmp_path: Path
) -> None:
    heavy = [name for name in _HEAVY if name not in allowed]
    probe = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('LOADED', [n for n in {heavy} if n in sys.modules]))\n"
        f"sys.argv = ['sdtrace', *{arguments!r}]\n"
        "from sdtrace.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_analyzing_needs_no_torch(tmp_path: Path) -> None:
    probe = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', 'torch' in sys.modules))\n"
        f"sys.argv = ['sdtrace', 'analyze', {str(EAGER)!r}, '--format', 'html,md,json,csv,parquet']\n"
        "from sdtrace.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED False"
    assert (tmp_path / "report" / "report.html").is_file()
