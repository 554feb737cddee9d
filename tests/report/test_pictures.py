"""Pictures in a real browser: their words, the keyboard, hostile names, narrow screens, dark, print, axe."""

from __future__ import annotations

import gzip
import importlib.resources
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import sdtrace
from sdtrace import units
from tests.explore import parts
from tests.report import sample_rows
from tests.report.pages import CHROMIUM, Opened, open_browser, page_text

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
PICTURES = ("waterfall", "steps", "timeline", "icicle", "roofline", "memory")
TIMELINE = "[data-picture=timeline]"
_READY = f"{TIMELINE} canvas[data-ready]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a trace with modules and memory."""
    written = tmp_path_factory.mktemp("page") / "report.html"
    written.write_text(page_text(parts.analysis(parts.STACK)), encoding="utf-8")
    return written


@pytest.fixture
def page(browser: Browser, path: Path) -> Iterator[Page]:
    opened = Opened(browser.new_context(viewport={"width": 1280, "height": 900}), path)
    opened.page.wait_for_selector(_READY)
    yield opened.page
    opened.close()


def test_each_picture_says_what_it_shows_and_has_its_numbers_as_a_table(page: Page) -> None:
    shown = page.locator("[data-picture]").evaluate_all("(all) => all.map((each) => each.dataset.picture)")
    assert shown == list(PICTURES)
    for name in PICTURES:
        place = page.locator(f"[data-picture={name}]")
        assert len(place.locator(".drawing p").last.inner_text()) > 30
        if name == "roofline":
            expect(page.locator("[data-table=ops_by_shape] tbody tr").first).to_be_visible()
            continue
        place.locator(".numbers > summary").click()
        assert place.locator(".numbers tbody tr").count() > 0
    for drawing in page.locator("svg.drawn").all():
        assert drawing.get_attribute("role") == "img"
        assert len(drawing.get_attribute("aria-label") or "") > 30


def test_the_timeline_is_used_from_the_keyboard_alone(page: Page) -> None:
    canvas, said = page.locator(f"{TIMELINE} canvas"), page.locator(f"{TIMELINE} [aria-live]")
    canvas.focus()
    before = said.inner_text()
    page.keyboard.press("ArrowUp")
    assert said.inner_text() != before
    page.keyboard.press("Home")
    report = parts.analysis(parts.STACK).report
    assert said.inner_text().startswith(f"{units.duration(report.wall_us)} from 0 s on")
    page.keyboard.press(".")
    first = said.inner_text()
    assert " · by " in first
    page.keyboard.press(".")
    assert said.inner_text() != first
    page.keyboard.press(",")
    assert said.inner_text() == first


def test_the_timeline_counts_the_work_that_is_in_view(page: Page) -> None:
    page.get_by_label("Step", exact=True).select_option("0")
    page.locator(f"{TIMELINE} .numbers > summary").click()
    row = parts.analysis(parts.STACK).report.steps[0]
    wall = page.locator(f"{TIMELINE} [aria-live]").inner_text()
    assert wall.startswith(f"{units.duration(row.host_wall_us)} from ")
    busy = page.locator(f"{TIMELINE} .numbers tbody td").first.inner_text()
    assert busy.endswith(("ms", "µs"))


def test_a_click_in_the_tree_looks_inside_and_the_path_leads_back(page: Page) -> None:
    icicle = page.locator("[data-picture=icicle]")
    icicle.locator(".numbers > summary").click()
    icicle.locator(".numbers button").first.click()
    assert icicle.locator(".path button").count() == 2
    icicle.locator(".switch button", has_text="CPU time").click()
    assert icicle.locator(".drawing p").inner_text().startswith("CPU time")
    icicle.locator(".path button").first.click()
    assert icicle.locator(".path button").count() == 1


def test_a_step_that_is_clicked_is_selected(page: Page) -> None:
    page.locator("[data-picture=steps] g[data-step='0']").click()
    expect(page.get_by_label("Step", exact=True)).to_have_value("0")


@pytest.mark.parametrize(
    ("width", "medium"), [(390, "screen"), (1024, "screen"), (1440, "screen"), (1024, "print")]
)
def test_nothing_scrolls_sideways(page: Page, width: int, medium: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media="print" if medium == "print" else "screen")
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in PICTURES:
        assert page.locator(f"[data-picture={name}] .drawing").bounding_box() is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, path: Path, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
    )
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(_READY)
    page.evaluate(importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text())
    rules = "" if scheme == "light" else "runOnly: ['color-contrast'],"
    where = "document" if scheme == "light" else "{ include: [['.selector'], ['.picture']] }"
    found = page.evaluate(f"axe.run({where}, {{ {rules} resultTypes: ['violations'] }})")
    serious = [each["id"] for each in found["violations"] if each["impact"] in {"serious", "critical"}]
    assert serious == []
    context.close()


def test_hostile_names_are_inert_in_every_picture(browser: Browser, tmp_path: Path) -> None:
    hostile = sample_rows.SCRIPT.replace('"', "'").replace("\\", "")
    text = gzip.decompress((parts.TRACES / parts.STACK).read_bytes()).decode()
    for name in ("aten::conv2d", "aten::group_norm", "aten::cudnn_convolution", "nn.Module: Decoder_0"):
        assert f'"{name}"' in text
        text = text.replace(f'"{name}"', f'"{name.partition("aten")[0]}{hostile}"')
    source = tmp_path / "hostile.json"
    source.write_text(text.replace('"python3"', f'"{hostile}"'), encoding="utf-8")
    page = tmp_path / "report.html"
    page.write_text(page_text(sdtrace.load(source)), encoding="utf-8")
    opened = Opened(browser.new_context(), page)
    opened.page.wait_for_selector(_READY)
    for name in ("icicle", "memory"):
        place = opened.page.locator(f"[data-picture={name}]")
        assert "alert" in place.evaluate("(each) => each.textContent")
    opened.page.locator(f"{TIMELINE} canvas").focus()
    opened.page.keyboard.press(".")
    opened.page.locator("[data-picture=icicle] .switch button", has_text="CPU time").click()
    assert opened.page.locator("main img, main iframe").count() == 0
    assert opened.page.locator("main script").count() == 2
    opened.close()


def test_a_page_has_its_size(path: Path) -> None:
    one = parts.analysis(parts.STACK)
    assert path.stat().st_size <= 1_000_000
    assert len(page_text(*[one] * 10).encode()) <= 1_500_000


def test_the_script_writes_quantities_as_the_report_does(browser: Browser) -> None:
    chance = random.Random(3)
    values = [chance.choice((1, 1000)) * chance.randrange(1, 10**9) / 1000 for _ in range(3_000)]
    values += [number / 8 for number in range(400)] + [0.0, 999.5, 999_499.9, 1e6, 12_345_678.9]
    folder = importlib.resources.files("sdtrace_templates").joinpath("assets/script")
    script = folder.joinpath("format.js").read_text(encoding="utf-8")
    page = browser.new_page()
    for function, same in (
        ("duration", units.duration),
        ("share", units.share),
        ("bytes", units.size),
        ("rate", units.rate),
        ("count", units.count),
        ("flops", units.flops),
    ):
        found = page.evaluate(f"(values) => {{ {script}; return values.map({function}); }}", values)
        assert found == [same(value) for value in values], function
    page.close()
