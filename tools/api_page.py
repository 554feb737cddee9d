"""docs/api.md: every public name of `import sdtrace`, from its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import sdtrace
from sdtrace.api.event_columns import EVENTS, LAUNCHES, MEMORY, About
from sdtrace.api.tables import Tables

_HEAD: Final = """# Python

Made from the docstrings by `python -m tools.pages`. These names, and no others, are public ([what that
means](compatibility.md#what-may-change-and-how)). [Work from Python](python.md) shows them at work.
"""
_ANNOTATION: Final = re.compile(r"(?<=: |> )'([^']*)'")
_FIXTURES: Final = {
    'getfixture("eager_trace")': '"traces/h200-fp32_eager.json"',
    'getfixture("eager")': 'sdtrace.load("traces/h200-fp32_eager.json")',
    '*getfixture("two_ranks")': '"run.rank0.json", "run.rank1.json"',
    'getfixture("job")': 'sdtrace.load_job("run.rank0.json", "run.rank1.json")',
    'getfixture("tmp_path") / "store"': '"store"',
    'getfixture("fleet")': 'sdtrace.fleet(store="store")',
    'getfixture("tmp_path")': '"report"',
}
"""What the tests put into the examples, and what a reader types."""
_PER_EVENT: Final = {
    "events": ("Every event of the trace or of the part, one row each.", EVENTS),
    "launches": ("Every kernel, copy and fill, beside the call and the op that launched it.", LAUNCHES),
    "memory": ("The allocators over time, where the trace was made with `profile_memory`.", MEMORY),
}


def text() -> str:
    """The page as Markdown, with a newline at its end."""
    parts = [
        _HEAD,
        *(_function(name, getattr(sdtrace, name)) for name in ("load", "load_job", "compare", "fleet")),
        *_analysis(),
        *_job(),
        *_fleet(),
        _function("Options.of", sdtrace.Options.of, about=sdtrace.Options.__doc__),
        _exceptions(),
        *(_columns(name, *told) for name, told in _PER_EVENT.items()),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _analysis() -> Iterable[str]:
    held = {**vars(Tables), **vars(sdtrace.Analysis)}
    members = {name: value for name, value in held.items() if not name.startswith("_")}
    tables = {name: value for name, value in members.items() if isinstance(value, property | cached_property)}
    yield f"## `Analysis`\n\n{_prose(sdtrace.Analysis.__doc__)}"
    rows = [f"| `{name}` | {_meaning(name, value.__doc__)} |" for name, value in tables.items()]
    yield "\n".join(["| attribute | what it is |", "|---|---|", *rows])
    for name, value in members.items():
        if name not in tables:
            yield _function(f"Analysis.{name}", value, level=3)


def _job() -> Iterable[str]:
    return _class("JobAnalysis", sdtrace.JobAnalysis)


def _fleet() -> Iterable[str]:
    return _class("Fleet", sdtrace.Fleet)


def _class(name: str, public: type) -> Iterable[str]:
    """A class whose tables are attributes, and its methods."""
    members = {member: value for member, value in vars(public).items() if not member.startswith("_")}
    tables = {
        member: value for member, value in members.items() if isinstance(value, property | cached_property)
    }
    yield f"## `{name}`\n\n{_prose(public.__doc__)}"
    rows = [f"| `{member}` | {_meaning(member, value.__doc__)} |" for member, value in tables.items()]
    yield "\n".join(["| attribute | what it is |", "|---|---|", *rows])
    for member, value in members.items():
        if member not in tables:
            yield _function(f"{name}.{member}", value, level=3)


def _function(name: str, function: Any, level: int = 2, about: str | None = None) -> str:
    signature = _ANNOTATION.sub(r"\1", str(inspect.signature(function)))
    called = re.sub(r"^(?:Analysis|JobAnalysis|Fleet)\.", "", name) + re.sub(r"^\(self(, )?", "(", signature)
    prose = "\n\n".join(_prose(said) for said in (about, function.__doc__) if said)
    return f"{'#' * level} `{name}`\n\n```py\n{_wrapped(called)}\n```\n\n{prose}"


def _wrapped(signature: str) -> str:
    """A signature on one line, or with a line for each argument."""
    if len(signature) <= 88:
        return signature
    head, _, rest = signature.partition("(")
    inner, _, returned = rest.rpartition(")")
    arguments = re.split(r", (?![^\[\(]*[\]\)])", inner)
    return "\n".join([f"{head}(", *(f"    {argument}," for argument in arguments), f"){returned}"])


def _prose(docstring: str | None) -> str:
    """A docstring as Markdown: its examples as blocks, pages of this folder as links."""
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")
    return "\n\n".join(_example(each) if each.startswith(">>>") else _linked(each) for each in paragraphs)


def _example(paragraph: str) -> str:
    for fixture, typed in _FIXTURES.items():
        paragraph = paragraph.replace(fixture, typed)
    return f"```pycon\n{paragraph}\n```"


def _linked(paragraph: str) -> str:
    return re.sub(r"\bdocs/([\w-]+\.md)", r"[\1](\1)", paragraph)


def _meaning(name: str, docstring: str | None) -> str:
    if name in _PER_EVENT:
        return f"{_PER_EVENT[name][0]} [Its columns](#{name})."
    return " ".join(inspect.cleandoc(docstring or "").split("\n\n")[0].split())


def _exceptions() -> str:
    tree = (inspect.getmodule(sdtrace.SdtraceError).__doc__ or "").partition("\n\n")[2]
    drawn, _, after = tree.partition("\n\n")
    told = f"{_prose(sdtrace.SdtraceError.__doc__)}\n\n```text\n{drawn}\n```"
    return (
        f"## Exceptions\n\n{told}\n\nThe number is the exit code of the commands. {' '.join(after.split())}"
    )


def _columns(name: str, told: str, columns: Mapping[str, About]) -> str:
    rows = [f"| `{column}` | {about.unit} | {about.help} |" for column, about in columns.items()]
    return "\n".join([f"## `{name}`\n\n{told}\n", "| column | unit | meaning |", "|---|---|---|", *rows])
