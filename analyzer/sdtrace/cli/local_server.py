"""A server for one file or one report, on this machine only."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

PAGE: Final = "https://ui.perfetto.dev"
HOST: Final = "127.0.0.1"
PORT: Final = 9001
"""The only port of this machine from which the page's security policy lets it fetch."""
_HOSTS: Final = (f"{HOST}:{PORT}", f"localhost:{PORT}")
_POLL_S: Final = 0.2
_BLOCK_BYTES: Final = 1 << 20
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
}


class LocalServer(ThreadingHTTPServer):
    """Serves some files on this machine only. Raises OSError when the port is taken."""

    def __init__(self) -> None:
        self.files: Mapping[str, Path] = {}
        """The path of each resource."""
        self.awaited = ""
        """The resource after which it has done its work; '' for none."""
        self._fetched = threading.Event()
        super().__init__((HOST, PORT), _Handler)
        self.timeout = _POLL_S

    def offer(self, path: Path, name: str) -> str:
        """Serve the file at `path` once, under `name`; the address at which Perfetto's page shows it."""
        self.awaited = f"/{quote(os.fsencode(name))}"
        self.files = {self.awaited: path}
        return f"{PAGE}/#!/?url=http://{HOST}:{PORT}{self.awaited}"

    def show(self, files: Mapping[str, Path]) -> str:
        """Serve files by their name until somebody ends it; the address of the first."""
        self.files = {f"/{quote(os.fsencode(name))}": path for name, path in files.items()}
        return f"http://{HOST}:{PORT}{next(iter(self.files))}"

    def wait(self) -> None:
        """Serve until the awaited file has been fetched once."""
        while not self._fetched.is_set():
            self.handle_request()

    def note_sent(self, resource: str) -> None:
        """A file has been sent to its end."""
        if resource == self.awaited:
            self._fetched.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up may come again: not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    """Answers for the files, to Perfetto's page, to the report's own, and to tools that are no web page."""

    server: LocalServer

    def do_OPTIONS(self) -> None:
        """The browser asks whether the page may fetch from this machine."""
        if self._allowed() is not None:
            self._begin(HTTPStatus.NO_CONTENT, 0)

    def do_HEAD(self) -> None:
        """The size of a file."""
        if path := self._allowed():
            self._begin(HTTPStatus.OK, path.stat().st_size, path)

    def do_GET(self) -> None:
        """A file."""
        path = self._allowed()
        if path is None:
            return
        with path.open("rb") as file:
            self._begin(HTTPStatus.OK, os.fstat(file.fileno()).st_size, path)
            shutil.copyfileobj(file, self.wfile, _BLOCK_BYTES)
            self.wfile.flush()
        self.server.note_sent(self.path)

    def _allowed(self) -> Path | None:
        """The file asked for. Refuses other paths, other pages, and other hosts' names that point here."""
        path = self.server.files.get(self.path)
        if self.headers.get("Host") not in _HOSTS or self.headers.get("Origin", PAGE) != PAGE:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        return path

    def _begin(self, status: HTTPStatus, length: int, path: Path | None = None) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", PAGE)
        self.send_header("Access-Control-Allow-Private-Network", "true")
        self.send_header("Cache-Control", "no-store")
        kind = _TYPES.get(path.suffix, "") if path else ""
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Nothing: the terminal is for what the user needs to know."""
