"""What mkdocs does beside building docs/: pages from files that lie elsewhere, and from the notebook.

Links stay as GitHub needs them, relative to the file they stand in; here they become links of the site.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROOT: Final = Path(__file__).parents[1]
_ELSEWHERE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "license.txt",
    "traces/README.md": "traces.md",
    "analyzer/sdtrace/breakdowns/rules.toml": "rules.toml",
    "docs/notebook.ipynb": "notebook.md",
}
"""Files of the repository, and the name of each in the site. A link to any other one outside docs/ fails."""
_ORIGIN: Final = {name: path for path, name in _ELSEWHERE.items()}
_FENCED: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_TARGET: Final = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
_DOWNLOAD: Final = '<p><a href="notebook.ipynb" download>Download this notebook.</a></p>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that lie outside docs/, and the notebook as a page."""
    from mkdocs.structure.files import File  # noqa: PLC0415  # the tests of this module do without

    for path, name in _ELSEWHERE.items():
        text = (_ROOT / path).read_text(encoding="utf-8")
        content = notebook_page(json.loads(text)) if path.endswith(".ipynb") else text
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # mkdocs's
    """The page with its links as the site has them."""
    return site_links(markdown, page.file.src_uri)


def site_links(markdown: str, name: str) -> str:
    """The text of the page `name` with links to files of the repository turned into links of the site.

    What stands in fenced blocks stays, and so does a link to a file that the site does not have.

    >>> site_links("See [what changed](../CHANGELOG.md#unreleased).", "compatibility.md")
    'See [what changed](changelog.md#unreleased).'
    """
    origin = (_ROOT / _ORIGIN.get(name, f"docs/{name}")).parent
    folder = PurePosixPath(name).parent

    def link(match: re.Match[str]) -> str:
        target = os.path.relpath(origin / match[1], _ROOT)
        there = _ELSEWHERE.get(target, target.removeprefix("docs/") if target.startswith("docs/") else "")
        return os.path.relpath(there, folder) if there else match[1]

    pieces = _FENCED.split(markdown)
    return "".join(piece if i % 2 else _TARGET.sub(link, piece) for i, piece in enumerate(pieces))


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: prose, code, and below each piece of code what it gave."""
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(f"```python\n{source}\n```")
            parts += [_output(output) for output in cell["outputs"]]
    first, *rest = parts
    return "\n\n".join([first, _DOWNLOAD, *rest]) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="output">\n{"".join(data["text/html"])}\n</div>'
    return f"```text\n{''.join(data.get('text/plain', output.get('text', ''))).rstrip()}\n```"
