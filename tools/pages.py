"""Write the generated pages of docs/ again: `python -m tools.pages`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools import api_page, commands_page, predictions_page, schema_page

from sdtrace.report import schema
from sdtrace.tables import reference

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "api.md": api_page.text,
    "columns.md": reference.text,
    "commands.md": commands_page.text,
    "predictions.md": predictions_page.text,
    "report.schema.json": schema.text,
    "schema.md": schema_page.text,
}


if __name__ == "__main__":
    for name, text in PAGES.items():
        (DOCS / name).write_text(text(), encoding="utf-8")
        print(f"wrote docs/{name}")
