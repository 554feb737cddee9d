"""`sdtrace doctor`: what is installed and usable, and what to do where it is not."""

from __future__ import annotations

import os
from typing import Final

import click

from sdtrace.safe_text import one_line

_MARKS: Final = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@click.command("doctor", short_help="Check what is installed and usable here.")
def command() -> int:
    """Check Python and its packages, torch, the GPU, CUPTI, compilers and disk; one line each.

    A line that is not ok ends with what to do. `warn` concerns only collecting. Exits with 1 when
    analyzing does not work.

    \b
    sdtrace doctor
    sdtrace doctor > machine.txt
    """
    from sdtrace.cli.doctor_checks import analysis_checks, collect_checks  # noqa: PLC0415  # keeps --help fast
    from sdtrace.cli.doctor_device import probe_torch  # noqa: PLC0415  # as above

    failed = False
    for check in analysis_checks():
        _print(*check)
        failed |= check.status == "fail"
    for check in collect_checks(probe_torch()):
        _print(*check)
    return 1 if failed else 0


def _print(status: str, name: str, found: str, fix: str) -> None:
    mark, style = _MARKS[status]
    shown = click.style(mark, fg=style.removeprefix("bold "), bold=style.startswith("bold"))
    line = f"{shown}  {name:12}  {one_line(found)}{f'; fix: {fix}' if fix else ''}"
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
