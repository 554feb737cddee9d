"""The reference is the current one, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.pages import DOCS, PAGES

from sdtrace import findings, job

FINDING = re.compile(r"""["`]((?:overhead|host|device|trace|steady|job)\.[a-z_0-9]+)["`]""")


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_the_current_one(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run python -m tools.pages"


def test_every_finding_is_on_its_page() -> None:
    files = [path for package in (findings, job) for path in Path(package.__path__[0]).glob("*.py")]
    named = {name for path in files for name in FINDING.findall(path.read_text("utf-8"))}
    assert len(named) > 25
    assert named <= set(FINDING.findall((DOCS / "findings.md").read_text("utf-8")))
