"""The site: it builds, every link leads somewhere, and a page loads nothing from another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tools.site_hooks import site_links

from tests.docs.blocks import ROOT

_LOADS = {"script", "img", "iframe", "source", "video", "audio", "embed", "object", "use", "image"}
_LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")


class Page(HTMLParser):
    """One built page: what it links to, what it loads, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def has(self, anchor: str) -> bool:
        """Whether a link to this anchor leads somewhere; '' is the page."""
        return not anchor or anchor in self.anchors

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" or tag in _LOADS:
            self.loaded += [found[name] for name in ("href", "src", "data") if name in found]


class Site:
    """The pages of a built site."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def pages(self) -> dict[Path, Page]:
        return {path: Page(path) for path in sorted(self.root.rglob("*.html"))}

    def broken(self) -> Iterator[str]:
        """Links and loads within the site that lead nowhere."""
        for path, page in self.pages.items():
            for target in [*page.links, *page.loaded]:
                parts = urlsplit(target)
                if parts.scheme or parts.netloc or path.name == "404.html":
                    continue
                there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                there = there / "index.html" if there.is_dir() else there
                if not there.is_file() or (
                    there in self.pages and not self.pages[there].has(unquote(parts.fragment))
                ):
                    yield f"{path.name}: {target}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = tmp_path_factory.mktemp("site").resolve()
    done = build(ROOT / "mkdocs.yml", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Site(root)


def build(settings: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build as `make docs` does. Not with `--quiet`, which silences warnings before they can count."""
    arguments = ["build", "--strict", "-f", str(settings), "-d", str(target)]
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_link_of_the_site_leads_somewhere(site: Site) -> None:
    assert len(site.pages) > 20
    assert list(site.broken()) == []


def test_a_page_loads_nothing_from_another_host(site: Site) -> None:
    loaded = {target for page in site.pages.values() for target in page.loaded}
    assert any(target.endswith(".css") for target in loaded)
    assert [target for target in loaded if urlsplit(target).netloc] == []
    styles = [path.read_text(encoding="utf-8") for path in site.root.rglob("*.css")]
    texts = [*styles, *(page.text for page in site.pages.values())]
    assert [match for text in texts for match in re.findall(r"url\(['\"]?(?:https?:)?//[^)]*", text)] == []
    assert [match for text in texts for match in re.findall(r"@import[^;]*", text)] == []


def test_the_search_has_its_index_in_the_site(site: Site) -> None:
    index = (site.root / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "overhead.autotune" in index


def test_a_broken_link_and_a_broken_anchor_fail_the_build(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text("# A\n\n[gone](gone.md) [lost](#lost)\n", encoding="utf-8")
    ours = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = re.sub(r"^(hooks|not_in_nav|nav):.*?(?=^\w|\Z)", "", ours, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    assert "'gone.md'" in done.stderr
    assert "'#lost'" in done.stderr


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "traces/README.md"])
def test_links_of_pages_outside_docs_lead_to_files(name: str) -> None:
    page = ROOT / name
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("page", "written", "built"),
    [
        ("compatibility.md", "[a](../CHANGELOG.md)", "[a](changelog.md)"),
        ("compatibility.md", "[a](../CHANGELOG.md#unreleased)", "[a](changelog.md#unreleased)"),
        ("contributing.md", "[a](docs/compatibility.md)", "[a](compatibility.md)"),
        ("traces.md", "[a](../CONTRIBUTING.md)", "[a](contributing.md)"),
        ("study/README.md", "[a](../study.md)", "[a](../study.md)"),
        ("index.md", "[a](notebook.ipynb)", "[a](notebook.md)"),
        ("index.md", "[a](../pyproject.toml)", "[a](../pyproject.toml)"),
        ("index.md", "[a](https://x.org/b) [c](#d)", "[a](https://x.org/b) [c](#d)"),
        ("index.md", "```text\n[a](../CHANGELOG.md)\n```", "```text\n[a](../CHANGELOG.md)\n```"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(page: str, written: str, built: str) -> None:
    assert site_links(written, page) == built
