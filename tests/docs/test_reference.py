"""The reference is the current one, and complete."""

from __future__ import annotations

import re

import pytest
from tools.pages import DOCS, PAGES

from sdtrace import findings
from tests.docs.blocks import ROOT

FINDING = re.compile(r"""["`]((?:overhead|host|device|trace|steady)\.[a-z_0-9]+)["`]""")


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_the_current_one(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run python -m tools.pages"


def test_every_finding_is_on_its_page() -> None:
    (folder,) = findings.__path__
    named = {
        name for path in (ROOT / folder).glob("*.py") for name in FINDING.findall(path.read_text("utf-8"))
    }
    assert len(named) > 25
    assert named <= set(FINDING.findall((DOCS / "findings.md").read_text("utf-8")))
