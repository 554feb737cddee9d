"""One selector drives every table of a trace, and each number is the one `Analysis.at` gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sdtrace import units
from sdtrace.analysis.part import Part
from sdtrace.model import TraceReport
from sdtrace.report.exploration import DRIVEN
from sdtrace.report.html_tables import html_table
from sdtrace.tables import HTML, TABLES, fill
from tests.explore import parts
from tests.loaded import analysis_of
from tests.report.pages import CHROMIUM, Opened, open_browser, page_text
from tests.shared import shared_trace

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
NAMES = [parts.REGIONAL, parts.STACK]
_TABLES = {table.id: table for table in TABLES if table.id in DRIVEN}
_ROWS = """(place) => [...place.querySelectorAll("tbody tr")].map((row) =>
  [...row.children].filter((cell) => !cell.ariaHidden).map((cell) =>
    (cell.querySelector("details code") ?? cell).textContent))"""
_SHOW_ALL = """() => document.querySelectorAll("[data-table] button.all").forEach((more) => more.click())"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module", params=NAMES)
def opened(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Page]]:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_text(parts.analysis(request.param)), encoding="utf-8")
    found = Opened(browser.new_context(), path)
    found.page.wait_for_selector(".explored.ready")
    yield request.param, found.page
    found.close()


def _select(page: Page, part: Part) -> None:
    for place, value in enumerate((part.phase, part.component, part.iteration, part.step)):
        title = ("Phase", "Component", "Image", "Step")[place]
        chosen = page.get_by_label(title, exact=True)
        wanted = "" if value is None else str(value)
        if not chosen.count():
            assert value is None
        elif chosen.input_value() != wanted:
            chosen.select_option(wanted)
    page.evaluate(_SHOW_ALL)


def _shown(page: Page, table: str) -> Counter[tuple[str, ...]]:
    place = page.locator(f"[data-table={table}]")
    if place.get_attribute("hidden") is not None:
        return Counter()
    return Counter(tuple(row) for row in place.evaluate(_ROWS))


def _expected(report: TraceReport, table: str) -> Counter[tuple[str, ...]]:
    filled = html_table(fill(_TABLES[table], report, HTML), table)
    rows = [[cell.full if cell.kind == "name" else cell.text for cell in row.cells] for row in filled.rows]
    return Counter(tuple(row) for row in rows)


def _parts(name: str) -> list[Part]:
    present = {row.phase for row in parts.analysis(name).report.phases} | {None}
    every = [*parts.single_parts(name), *parts.crossed_parts(name)[-3:]]
    every = [part for part in every if part.phase in present]
    if name == parts.REGIONAL:
        return [part for part in every if part.component != "scheduler"]
    return [Part(component="unet"), Part(component="unet.mid_block"), Part(component="other")]


def test_every_number_of_a_selection_is_that_of_the_part(opened: tuple[str, Page]) -> None:
    name, page = opened
    for part in _parts(name):
        _select(page, part)
        report = parts.at(name, part)
        for table in DRIVEN:
            shown, expected = _shown(page, table), _expected(report, table)
            assert shown == expected, (part, table, shown - expected, expected - shown)


def test_the_figures_of_a_selection_are_those_of_the_part(opened: tuple[str, Page]) -> None:
    name, page = opened
    for part in _parts(name)[:6]:
        _select(page, part)
        gpu = parts.at(name, part).gpu
        values = page.locator(".selector dd").all_inner_texts()
        expected = [units.duration(gpu.busy_us), units.duration(gpu.idle_us), units.count(gpu.launches)]
        assert values[1:4] == [units.unbroken(text) for text in expected], part


def test_the_page_starts_at_steady_state(opened: tuple[str, Page]) -> None:
    page = opened[1]
    page.reload()
    page.wait_for_selector(".explored.ready")
    expect(page.get_by_label("Phase", exact=True)).to_have_value("steady")
    expect(page.locator(".said")).to_have_text("Steady state")


def test_the_selector_works_from_the_keyboard(opened: tuple[str, Page]) -> None:
    page = opened[1]
    page.reload()
    page.wait_for_selector(".explored.ready")
    page.get_by_label("Phase", exact=True).focus()
    page.keyboard.press("Home")
    expect(page.locator(".said")).to_have_text("The whole run")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.previousElementSibling.textContent") == "Component"


def test_without_a_script_steady_state_is_shown_and_the_other_phases_are_folded(
    browser: Browser, opened: tuple[str, Page]
) -> None:
    name, page = opened
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(page.url)
    assert plain.locator(".selector").inner_text() == ""
    steady = parts.at(name, Part("steady"))
    assert _static(plain, "categories") == list(_expected(steady, "categories"))
    others = [row.phase for row in parts.analysis(name).report.phases if row.phase != "steady"]
    assert plain.locator(".without-script > summary").all_inner_texts() == others
    for folded in plain.locator(".without-script > summary").all():
        folded.click()
    for table in plain.locator(".without-script table").all():
        expect(table).to_be_visible()
    plain.context.close()


def _static(page: Page, table: str) -> list[tuple[str, ...]]:
    rows = page.locator(f"[data-table={table}] tbody tr").all()
    return [
        tuple(text for text in row.locator("th, td:not([aria-hidden])").all_inner_texts()) for row in rows
    ]


def test_an_iteration_that_is_not_kept_shows_its_totals_and_says_so(browser: Browser, tmp_path: Path) -> None:
    one = analysis_of(shared_trace("wild/flux_recompile.json.gz"))
    path = tmp_path / "report.html"
    path.write_text(page_text(one), encoding="utf-8")
    opened = Opened(browser.new_context(), path)
    opened.page.wait_for_selector(".explored.ready")
    row = one.report.iterations[1]
    _select(opened.page, Part(iteration=row.index))
    expect(opened.page.locator(".totals")).to_contain_text("It holds the tables of images 1, 3, 5")
    shown = opened.page.locator(".selector dd").all_inner_texts()
    assert shown == [units.unbroken(units.duration(row.gpu_us)), units.count(row.gpu_events)]
    expect(opened.page.locator("[data-table=kernels]")).to_be_hidden()
    opened.close()
