"""The page in a real browser: from a file, offline, with and without JavaScript, on a phone, in the dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from sdtrace import model
from sdtrace.report.html import render_html
from tests.report import sample, sample_rows

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


class Opened:
    """A report that is open in a browser, and what the browser had to say about it."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.uri = path.as_uri()

    def names(self, table: str) -> list[str]:
        found = self.page.locator(f"[data-rows={table}] tbody th").all_inner_texts()
        return [" ".join(name.split()) for name in found]

    def header(self, table: str, name: str) -> None:
        self.page.locator(f"[data-rows={table}] thead button", has_text=name).first.click()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[_Show]:
    opener = _Show(browser, tmp_path / "report.html")
    yield opener
    for opened in opener.opened:
        assert opened.complaints == []
        assert [url for url in opened.requests if url not in {opened.uri, "data:,"}] == []
        opened.page.context.close()


class _Show:
    """Opens reports; when the test ends, none may have complained or asked for anything but itself."""

    def __init__(self, browser: Browser, path: Path) -> None:
        self.browser = browser
        self.path = path
        self.opened: list[Opened] = []

    def __call__(
        self, report: model.Report, *, width: int = 1280, scheme: str = "light", script: bool = True
    ) -> Opened:
        self.path.write_text(render_html(report, 25), encoding="utf-8")
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=script,
        )
        opened = Opened(context, self.path)
        self.opened.append(opened)
        return opened


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
@pytest.mark.parametrize("report", [sample.report(), sample.compared()], ids=["one", "two"])
def test_the_page_never_scrolls_sideways(show: _Show, report: model.Report, width: int) -> None:
    assert _fits(show(report, width=width).page)


@pytest.mark.parametrize("name", ["x" * 5_000, "\u05e2\u05d1\u05e8\u05d9\u05ea " * 200, "\u6f22" * 2_000])
def test_long_names_of_any_script_stay_within_a_phone(show: _Show, name: str) -> None:
    trace = sample.cold()
    finding = replace(trace.findings[0], title=name, evidence=name, advice=name)
    kernel = replace(trace.kernels[0], name=name, short_name=name, category=name)
    op = replace(trace.ops[0], name=name)
    trace = replace(trace, name=name, path=name, findings=[finding], kernels=[kernel], ops=[op], notes=[name])
    page = show(sample.report(trace), width=390).page
    expect(page.locator("[data-rows=t1-kernels] output")).to_have_text("1 row")
    assert _fits(page)


def test_the_answer_is_on_the_first_screen_of_a_laptop(show: _Show) -> None:
    page = show(sample.report()).page
    for text in ("82.3\u202fs", "118\u202fms", "94 % of the first image is torch.compile"):
        box = page.get_by_text(text, exact=True).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900


def test_all_rows_come_with_script_and_sort_by_any_column(show: _Show) -> None:
    opened = show(sample.report(sample.large(120, 90)))
    expect(opened.page.locator("[data-rows=t1-ops] output")).to_have_text("120 rows")
    opened.page.get_by_role("button", name="Show all 120").click()
    assert len(opened.names("t1-ops")) == 120
    calls = sorted((op.calls for op in sample.large(120, 90).ops), reverse=True)
    opened.header("t1-ops", "Calls")
    headers = opened.page.locator("[data-rows=t1-ops] thead th").all_inner_texts()
    place = headers.index("Calls") + 1
    cells = opened.page.locator(f"[data-rows=t1-ops] tbody td:nth-child({place})").all_inner_texts()
    assert [int(cell.replace(",", "")) for cell in cells] == calls
    opened.header("t1-ops", "Calls")
    expect(opened.page.locator("[data-rows=t1-ops] th[aria-sort]")).to_have_attribute(
        "aria-sort", "ascending"
    )
    opened.header("t1-ops", "Name")
    assert opened.names("t1-ops")[0].startswith("void at::native::kernel_0<")


def test_a_range_has_no_share_and_sorts_last_in_both_directions(show: _Show) -> None:
    opened = show(sample.report())
    expect(opened.page.locator("[data-rows=t1-ops] output")).to_be_visible()
    assert opened.names("t1-ops")[0] != "model_inference"
    for header in ("Self GPU %", "Self GPU %", "Self GPU", "Self GPU"):
        opened.header("t1-ops", header)
        assert opened.names("t1-ops")[-1] == "model_inference"


def test_the_filter_finds_the_whole_name_and_says_how_many(show: _Show) -> None:
    opened = show(sample.report())
    opened.page.get_by_label("Filter kernels by name").fill("CUDNN_generated")
    expect(opened.page.locator("[data-rows=t1-kernels] output")).to_have_text("1 of 25 rows")
    assert opened.names("t1-kernels") == ["cudnn sdpa flash 64x128x64"]


def test_hostile_names_are_shown_and_run_nothing(show: _Show) -> None:
    opened = show(sample.report(replace(sample.cold(), name=sample_rows.CLOSING)))
    expect(opened.page.locator("[data-rows=t1-kernels] output")).to_have_text("25 rows")
    shown = " ".join(opened.names("t1-kernels"))
    assert sample_rows.SCRIPT in shown
    assert sample_rows.CLOSING in shown
    assert opened.page.locator("main img").count() == 0


def test_the_policy_stops_what_would_be_injected(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    injected = "<script>document.title = 'owned'</script></main>"
    path.write_text(render_html(sample.report(), 25).replace("</main>", injected))
    opened = Opened(browser.new_context(), path)
    assert opened.page.title() != "owned"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)
    opened.page.context.close()


def test_without_script_the_first_rows_and_every_section_are_there(show: _Show) -> None:
    opened = show(sample.report(sample.large(120, 90)), script=False)
    assert len(opened.names("t1-ops")) == 25
    assert "The first 25 of 120" in opened.page.locator("[data-rows=t1-ops]").inner_text()
    opened.page.locator("[data-rows=t1-kernels] summary").first.click()
    expect(opened.page.locator("[data-rows=t1-kernels] details[open] code")).to_be_visible()


def test_a_link_to_a_folded_trace_opens_it(show: _Show) -> None:
    page = show(sample.compared()).page
    expect(page.locator("#t2-ops")).to_be_hidden()
    page.get_by_role("link", name="bf16_sdpa.cold").click()
    expect(page.locator("#t2-ops")).to_be_visible()


def test_every_table_can_be_reached_and_sorted_from_the_keyboard(show: _Show) -> None:
    page = show(sample.report()).page
    button = page.locator("[data-rows=t1-kernels] thead button", has_text="Mean")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-rows=t1-kernels] th", has_text="Mean")).to_have_attribute(
        "aria-sort", "descending"
    )


_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const weights = [0.2126, 0.7152, 0.0722];
  const light = (colour) => channels(colour).reduce((sum, part, i) => sum + part * weights[i], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = (element) => {
    const ink = light(getComputedStyle(element).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const elements = [...document.querySelectorAll("main *, footer *")];
  return Math.min(...elements.filter((element) => element.innerText).map(ratio));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(show: _Show, scheme: str) -> None:
    page = show(sample.compared(), scheme=scheme).page
    assert page.evaluate(_CONTRAST) >= 4.5


def test_the_page_follows_the_systems_choice_of_light_or_dark(show: _Show) -> None:
    def paper(scheme: str) -> str:
        page = show(sample.report(), scheme=scheme).page
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert paper("light") == "rgb(253, 253, 252)"
    assert paper("dark") == "rgb(21, 23, 26)"
