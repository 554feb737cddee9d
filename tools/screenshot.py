"""The picture in the README: `python -m tools.screenshot` writes docs/images/report.png again."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from shutil import which
from typing import Final

from PIL import Image
from playwright.sync_api import sync_playwright

import sdtrace
from sdtrace.analysis import build_report
from sdtrace.report.html import render_html

ROOT: Final = Path(__file__).parents[1]
TRACE: Final = Path("traces", "h200-bf16_sdpa_eager.cudnn_benchmark.json.xz")
TARGET: Final = ROOT / "docs" / "images" / "report.png"
_WIDTH, _HEIGHT, _COLOURS = 1280, 860, 64


def picture(page: str) -> bytes:
    """The first screen of a report as PNG, with few colours: a page has no more."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "report.html")
        file.write_text(page, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        shown.goto(file.as_uri())
        shown.wait_for_timeout(1000)
        taken = Image.open(io.BytesIO(shown.screenshot()))
        browser.close()
    out = io.BytesIO()
    taken.convert("RGB").quantize(_COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    report = build_report([sdtrace.load(TRACE).report])
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(picture(render_html(report, 25)))
    print(f"wrote {TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} kB")
