"""Pages of shipped traces, as `sdtrace analyze` writes them, and a browser to open them in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import sdtrace
from sdtrace.api.page import page_of
from sdtrace.job.in_report import report_of_all
from sdtrace.job.rank import ranks_of
from sdtrace.report.html import render_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def page_text(*analyses: sdtrace.Analysis) -> str:
    """The whole page of some analyses."""
    report = report_of_all(
        [one.report for one in analyses], [ranks_of(one.study, one.options.rules) for one in analyses]
    )
    return render_html(report, 25, [page_of(one) for one in analyses])


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


class Opened:
    """A page that is open, and what the browser had to say about it."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.uri = path.as_uri()
        self.page.goto(self.uri)

    def close(self) -> None:
        """Nothing was complained of, nothing asked for but the page itself."""
        assert self.complaints == []
        assert [url for url in self.requests if url not in {self.uri, "data:,"}] == []
        self.page.context.close()
