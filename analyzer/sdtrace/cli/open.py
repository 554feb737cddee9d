"""`sdtrace open`: a trace in Perfetto's page, or a report in the browser; both stay on this machine."""

from __future__ import annotations

import getpass
import os
import socket
import tempfile
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Final

import click

from sdtrace.cli.inputs import one_file, stem
from sdtrace.cli.local_server import HOST, PAGE, PORT, LocalServer
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible

_REPORT: Final = "report.html"
_REPORT_FILES: Final = (_REPORT, "report.md", "report.json")
_OWN_FORMAT: Final = ".pftrace"
_UNREADABLE_THERE: Final = (".zst", ".xz")


@click.command("open", short_help="Open a trace in Perfetto, or a report.")
@click.argument("trace", metavar="TRACE|REPORT")
@click.option("--no-browser", is_flag=True, help="Print the address only; open it yourself.")
@click.option(
    "--ssh", is_flag=True, help="Print how to reach it from your own machine, when this is a remote one."
)
@click.option("--raw", is_flag=True, help="Open the file as it is: Perfetto then drops overlapping events.")
def command(trace: str, no_browser: bool, ssh: bool, raw: bool) -> None:
    """Open TRACE in Perfetto's page, which fetches it from this machine and uploads nothing.

    The page gets a copy in Perfetto's own format, in which no event is lost, with tracks for phases,
    iterations, components and why the GPU was idle. Ends once the page has it, or with Ctrl-C.
    A folder with a report is served until Ctrl-C.

    \b
    sdtrace open run.json.gz --ssh
    sdtrace open report/
    """
    report = _report_files(trace)
    if report:
        with _listen() as server:
            _announce(server.show(report), is_quiet=no_browser, is_remote=ssh)
            _serve(server, "Serving the report.")
        return
    path = one_file(trace)
    if trace == "-":
        raise UsageError("standard input cannot be opened in Perfetto; give a file")
    raw = raw or path.suffix == _OWN_FORMAT
    if raw and path.suffix in _UNREADABLE_THERE:
        raise UsageError(f"{path}: Perfetto does not read {path.suffix}; leave --raw away")
    with _listen() as server, tempfile.TemporaryDirectory(prefix="sdtrace-") as folder:
        _offer(server, path, Path(folder), is_raw=raw, is_quiet=no_browser, is_remote=ssh)


def _report_files(typed: str) -> Mapping[str, Path]:
    """The files of a report by name, the page first; {} where `typed` is none."""
    given = Path(typed)
    folder = given.parent if given.name == _REPORT else given
    if not (folder / _REPORT).is_file() or (given.is_file() and given.name != _REPORT):
        return {}
    return {name: folder / name for name in _REPORT_FILES if (folder / name).is_file()}


def _offer(
    server: LocalServer, path: Path, folder: Path, *, is_raw: bool, is_quiet: bool, is_remote: bool
) -> None:
    """Serve the trace at `path`, or its copy in `folder`, until the page has it."""
    shown = visible(str(path))
    served, name = path, path.name
    if is_raw:
        if path.suffix != _OWN_FORMAT:
            _check_is_trace(path)
    else:
        from sdtrace.export import write_pftrace  # noqa: PLC0415  # keeps --help fast

        name = f"{stem(path)}{_OWN_FORMAT}"
        served = folder / "trace.pftrace"
        slices = write_pftrace(path, served, force=False)
        size = served.stat().st_size / 1e6
        click.echo(f"Made a copy for Perfetto: {slices:,} slices, {size:.1f} MB.", err=True)
    click.echo(f"{shown} stays on this machine: the page fetches it from {HOST}:{PORT} into your browser.")
    _announce(server.offer(served, name), is_quiet=is_quiet, is_remote=is_remote)
    waiting = f"Waiting for the page to fetch it; let {PAGE} reach this device if the browser asks."
    if not _serve(server, waiting):
        click.echo("Stopped before the page had fetched it.", err=True)


def _announce(address: str, *, is_quiet: bool, is_remote: bool) -> None:
    """Print the address, and from a remote machine the line that leads there; start a browser."""
    click.echo(address)
    if is_remote or "SSH_CONNECTION" in os.environ:
        where = f"{quote(getpass.getuser())}@{quote(socket.gethostname())}"
        click.echo("From your own machine, first run this there, then open the address:")
        click.echo(f"  ssh -N -L {PORT}:{HOST}:{PORT} {where}")
    elif not is_quiet and not webbrowser.open(address):
        click.echo("No browser could be started; open the address yourself.", err=True)


def _serve(server: LocalServer, what: str) -> bool:
    """Say `what` happens now; whether the file was fetched before the user had enough."""
    try:
        click.echo(f"{what} Ctrl-C ends this.", err=True)
        server.wait()
    except KeyboardInterrupt:
        return False
    return True


def _check_is_trace(path: Path) -> None:
    """Raise UnreadableTrace when the file is not a trace, before a browser is started for it."""
    from sdtrace.reader.envelope import read_beginning  # noqa: PLC0415  # keeps --help fast
    from sdtrace.reader.streams import open_blocks  # noqa: PLC0415  # as above

    with open_blocks(path) as blocks:
        read_beginning(path, blocks)


def _listen() -> LocalServer:
    try:
        return LocalServer()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"cannot listen on {HOST}:{PORT}: {reason}; end what uses it (another `sdtrace open`?)"
        ) from error
