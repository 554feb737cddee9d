"""A trace goes from this machine into Perfetto's page, and to nobody else."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route

from tests.cli.command import EAGER, ENTRY_POINT, MINIMAL, complaint, run
from tests.export.perfetto_page import ask, browser, import_errors, page_folder, wait_until_loaded

_PORT = 9001
_PAGE = "https://ui.perfetto.dev"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm"}


@pytest.fixture(autouse=True)
def _free_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _PORT))
        except OSError:
            pytest.skip(f"port {_PORT} is in use on this machine")


@contextmanager
def _opened(path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command while it waits, and the address it printed."""
    with subprocess.Popen(
        [ENTRY_POINT, "open", "--no-browser", *options, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
        | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            said = _line(process.stdout)
            assert "stays on this machine" in said
            yield process, _line(process.stdout)
        finally:
            process.kill()


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def _ask(path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", _PORT, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_only_the_file_and_only_for_the_page(tmp_path: Path) -> None:
    path = tmp_path / "a trace é.json"
    path.write_text(MINIMAL)
    (tmp_path / "secret.json").write_text(MINIMAL)
    with _opened(path, "--raw") as (process, address):
        resource = "/a%20trace%20%C3%A9.json"
        assert address == f"{_PAGE}/#!/?url=http://127.0.0.1:{_PORT}{resource}"
        for other in ("/", "/secret.json", "/../secret.json", f"{resource}/", f"/{tmp_path}/secret.json"):
            assert _ask(other)[0].status == 404
        assert _ask(resource, Origin="https://example.org")[0].status == 403
        assert _ask(resource, Host=f"rebound.example:{_PORT}")[0].status == 403
        assert _ask(resource, "HEAD")[0].getheader("Content-Length") == str(len(MINIMAL))
        asked, _ = _ask(resource, "OPTIONS", Origin=_PAGE)
        assert asked.getheader("Access-Control-Allow-Origin") == _PAGE
        assert process.poll() is None
        answer, body = _ask(resource, Origin=_PAGE)
        assert answer.getheader("Access-Control-Allow-Origin") == _PAGE
        assert body == MINIMAL.encode()
        assert process.wait(30) == 0


def _fulfil(route: Route, folder: Path) -> None:
    """Answer for Perfetto's site, whose page lies in `folder`."""
    asked = urlsplit(route.request.url).path.lstrip("/") or "index.html"
    kind = _TYPES.get(Path(asked).suffix, "application/octet-stream")
    route.fulfill(path=folder / asked, content_type=kind)


def test_the_page_itself_fetches_a_copy_in_which_nothing_is_lost(tmp_path: Path) -> None:
    folder = page_folder()
    path = tmp_path / "trace.json"
    text = EAGER.read_bytes()
    path.write_bytes(text)
    with _opened(path) as (process, address), browser() as started:
        context = started.new_context(service_workers="block")
        context.route(f"{_PAGE}/**", lambda route: _fulfil(route, folder))
        page = context.new_page()
        page.goto(address)
        wait_until_loaded(page)
        assert address.endswith("/trace.pftrace")
        assert import_errors(page) == []
        events = json.loads(text)["traceEvents"]
        slices = "select count(*) from slice where category is not 'sdtrace'"
        assert int(ask(page, slices)[0][0]) == sum(event["ph"] == "X" for event in events)
        assert process.wait(30) == 0


def test_a_compressed_trace_gives_the_same_copy(tmp_path: Path) -> None:
    text = EAGER.read_bytes()
    copies = []
    for name, data in (("trace.json", text), ("trace.json.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(data)
        with _opened(tmp_path / name) as (process, address):
            assert address.endswith("/trace.pftrace")
            copies.append(_ask("/trace.pftrace", Origin=_PAGE)[1])
            assert process.wait(30) == 0
    assert copies[0] == copies[1]


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(MINIMAL)
    with _opened(path) as (process, _):
        assert "Made a copy for Perfetto: " in _line(process.stderr)
        assert "Ctrl-C" in _line(process.stderr)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "before the page had fetched it" in _line(process.stderr)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(MINIMAL)
    with _opened(path):
        assert "cannot listen on 127.0.0.1:9001" in complaint(run("open", path, cwd=tmp_path), 2)


def test_what_perfetto_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("hello")
    assert "is not JSON" in complaint(run("open", "t.json", "--no-browser", cwd=tmp_path), 3)
    (tmp_path / "t.json.zst").write_bytes(b"")
    assert "leave --raw away" in complaint(run("open", "t.json.zst", "--raw", cwd=tmp_path), 2)


def test_a_remote_machine_gets_the_line_that_leads_to_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(MINIMAL)
    with _opened(path, "--ssh") as (process, _):
        assert "From your own machine" in _line(process.stdout)
        assert re.fullmatch(r"ssh -N -L 9001:127\.0\.0\.1:9001 \S+@\S+", _line(process.stdout))


def test_a_report_is_served_and_nothing_else_of_its_folder(tmp_path: Path) -> None:
    assert run("analyze", EAGER, "-o", "report", cwd=tmp_path).returncode == 0
    (tmp_path / "report" / "secret.txt").write_text("mine")
    for typed in ("report", "report/report.html"):
        with subprocess.Popen(
            [ENTRY_POINT, "open", "--no-browser", typed],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            try:
                assert _line(process.stdout) == f"http://127.0.0.1:{_PORT}/report.html"
                answer, body = _ask("/report.html")
                assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
                assert body == (tmp_path / "report" / "report.html").read_bytes()
                assert _ask("/report.json")[0].status == 200
                for other in ("/", "/secret.txt", "/../secret.txt", "/.sdtrace-files"):
                    assert _ask(other)[0].status == 404
                assert _ask("/report.html", Host=f"rebound.example:{_PORT}")[0].status == 403
                assert process.poll() is None
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0
            finally:
                process.kill()
