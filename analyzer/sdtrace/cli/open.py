"""`sdtrace open`: Perfetto's page in the browser, with a trace that stays on this machine."""

from __future__ import annotations

import os
import shutil
import threading
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from sdtrace.cli.inputs import ONE_TRACE, one_file
from sdtrace.errors import UsageError
from sdtrace.safe_text import visible

PAGE: Final = "https://ui.perfetto.dev"
HOST: Final = "127.0.0.1"
PORT: Final = 9001
"""The only port of this machine from which the page's security policy lets it fetch."""
_UNREADABLE_THERE: Final = (".zst", ".xz")
_HOSTS: Final = (f"{HOST}:{PORT}", f"localhost:{PORT}")
_POLL_S: Final = 0.2
_BLOCK_BYTES: Final = 1 << 20


@click.command("open", short_help="Open a trace in Perfetto.")
@ONE_TRACE
@click.option("--no-browser", is_flag=True, help="Print the address only; open it yourself.")
def command(trace: str, no_browser: bool) -> None:
    """Open TRACE in Perfetto's page, which fetches it from this machine and uploads nothing.

    Ends once the page has the trace, or with Ctrl-C.

    \b
    sdtrace open run.json.gz
    sdtrace open run.json.gz --no-browser
    """
    path = one_file(trace)
    if trace == "-":
        raise UsageError("standard input cannot be opened in Perfetto; give a file")
    if path.suffix in _UNREADABLE_THERE:
        raise UsageError(f"{path}: Perfetto does not read {path.suffix}; run: sdtrace perfetto {path}")
    _check_is_trace(path)
    with _listen(path) as server:
        shown = visible(str(path))
        click.echo(
            f"{shown} stays on this machine: the page fetches it from {HOST}:{PORT} into your browser."
        )
        click.echo(server.address)
        if not no_browser and not webbrowser.open(server.address):
            click.echo("No browser could be started; open the address yourself.", err=True)
        try:
            click.echo(
                f"Waiting for the page to fetch it; let {PAGE} reach this device if the browser asks. "
                "Ctrl-C ends this.",
                err=True,
            )
            server.wait()
        except KeyboardInterrupt:
            click.echo("Stopped before the page had fetched it.", err=True)


def _check_is_trace(path: Path) -> None:
    """Raise UnreadableTrace when the file is not a trace, before a browser is started for it."""
    from sdtrace.reader.envelope import read_beginning  # noqa: PLC0415  # keeps --help fast
    from sdtrace.reader.streams import open_blocks  # noqa: PLC0415  # as above

    with open_blocks(path) as blocks:
        read_beginning(path, blocks)


def _listen(path: Path) -> TraceServer:
    try:
        return TraceServer(path)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"cannot listen on {HOST}:{PORT}: {reason}; end what uses it (another `sdtrace open`?)"
        ) from error


class TraceServer(ThreadingHTTPServer):
    """Serves one file to Perfetto's page, on this machine only. Raises OSError when the port is taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.resource = f"/{quote(os.fsencode(path.name))}"
        self.address = f"{PAGE}/#!/?url=http://{HOST}:{PORT}{self.resource}"
        self._fetched = threading.Event()
        super().__init__((HOST, PORT), _Handler)
        self.timeout = _POLL_S

    def wait(self) -> None:
        """Serve until the whole file has been fetched once."""
        while not self._fetched.is_set():
            self.handle_request()

    def note_fetched(self) -> None:
        """The file has been sent to its end."""
        self._fetched.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up may come again: not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    """Answers for the one file, to Perfetto's page and to tools that are no web page."""

    server: TraceServer

    def do_OPTIONS(self) -> None:
        """The browser asks whether the page may fetch from this machine."""
        if self._is_allowed():
            self._begin(HTTPStatus.NO_CONTENT, 0)

    def do_HEAD(self) -> None:
        """The size of the file."""
        if self._is_allowed():
            self._begin(HTTPStatus.OK, self.server.path.stat().st_size)

    def do_GET(self) -> None:
        """The file."""
        if not self._is_allowed():
            return
        with self.server.path.open("rb") as file:
            self._begin(HTTPStatus.OK, os.fstat(file.fileno()).st_size)
            shutil.copyfileobj(file, self.wfile, _BLOCK_BYTES)
            self.wfile.flush()
        self.server.note_fetched()

    def _is_allowed(self) -> bool:
        """Refuses other paths, other pages, and names of other hosts that were made to point here."""
        if self.headers.get("Host") not in _HOSTS or self.headers.get("Origin", PAGE) != PAGE:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path != self.server.resource:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            return True
        return False

    def _begin(self, status: HTTPStatus, length: int) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", PAGE)
        self.send_header("Access-Control-Allow-Private-Network", "true")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Nothing: the terminal is for what the user needs to know."""
