"""docs/schema.md: every record of `report.json` and `compare.json`, from the records themselves."""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise
from types import ModuleType
from typing import Any, Final

import msgspec

from sdtrace import model
from sdtrace.analysis import regression
from sdtrace.report import to_json
from sdtrace.tables import TABLES

_HEAD: Final = """# `report.json` and `compare.json`

Made from the records in `sdtrace.model` by `python -m tools.pages`. [report.schema.json](report.schema.json)
says the same of `report.json` for programs. [Its changes](schema-changes.md) are listed, and so are
[the rules for them](compatibility.md#what-may-change-and-how). Times that end in `_us` are microseconds with
three decimals: exact nanoseconds. `pct` is percent of all device work. Readers must ignore fields
that they do not know.
"""
_COMPARE: Final = (
    "`sdtrace compare --format json` writes it. A value is in the unit that its metric's name ends in.\n"
)


def text() -> str:
    """The page as Markdown, with a newline at its end."""
    report = to_json.schema()["$defs"]
    compared = msgspec.json.schema(regression.Regression)["$defs"]
    parts = [_HEAD, "## `report.json`\n", *_sections(report, model), "## `compare.json`\n", _COMPARE]
    return "\n".join([*parts, *_sections(compared, regression)])


def _sections(definitions: dict[str, Any], module: ModuleType) -> list[str]:
    meanings = _meanings(module)
    return [_section(name, about, meanings.get(name, {})) for name, about in definitions.items()]


def _section(name: str, about: dict[str, Any], meanings: dict[str, str]) -> str:
    fields = about["properties"].items()
    rows = [f"| `{field}` | {_type(kind)} | {meanings.get(field, '')} |" for field, kind in fields]
    head = "| field | type | meaning |\n|---|---|---|"
    return f"### {name}\n\n{about.get('description', '')}\n\n{head}\n" + "\n".join(rows) + "\n"


def _type(kind: dict[str, Any]) -> str:
    """A type in words, with a link where it is a record."""
    if "anyOf" in kind:
        # null comes last, whatever the order in the schema.
        return " or ".join(sorted((_type(one) for one in kind["anyOf"]), key=lambda word: word == "null"))
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in kind:
        return f"`{kind['const']}`"
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("type") == "array":
        return f"list of {_type(kind['items'])}"
    return str(kind.get("type", "anything"))


def _meanings(module: ModuleType) -> dict[str, dict[str, str]]:
    """What the column of a table or else the text below a field says, by record and field."""
    homes = {getattr(value, "__module__", "") for value in vars(module).values()}
    sources = [inspect.getsource(sys.modules[home]) for home in sorted(homes) if home.startswith("sdtrace.")]
    classes = [node for text in sources for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    tables = {table.record.__name__: {row.field: row.help for row in table.columns} for table in TABLES}
    return {node.name: {**dict(_documented(node.body)), **tables.get(node.name, {})} for node in classes}


def _documented(body: list[ast.stmt]) -> list[tuple[str, str]]:
    found = []
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                found.append((name, " ".join(said.split())))
    return found
