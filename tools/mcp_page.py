"""The answers that docs/mcp.md shows: `python -m tools.mcp_page FOLDER` writes them again.

A block of the page that begins with `> verdict("before.json.gz")` or another call holds the answer.
FOLDER has the reference traces, which are not in the repository: `bf16_sdpa.warm.json.gz` is `before`,
`bf16_sdpa_graphs.warm.json.gz` is `after`. What their run measured without the profiler lies beside them and
is put into the traces, where the collector writes it.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Final

from sdtrace.mcp.text import fit
from sdtrace.mcp.tools import Tools

PAGE: Final = Path(__file__).parents[1] / "docs" / "mcp.md"
REFERENCES: Final = {"before.json.gz": "bf16_sdpa.warm", "after.json.gz": "bf16_sdpa_graphs.warm"}
_BLOCK: Final = re.compile(r"(?<=^```text\n)> (?P<call>.+)\n(?:.*\n)*?(?=```$)", re.MULTILINE)


def with_answers(page: str, folder: Path) -> str:
    """The page with the answers that the tools give about the reference traces in `folder`."""
    folder = folder.resolve()
    with tempfile.TemporaryDirectory(prefix="sdtrace-page-") as name, chdir(name):
        for trace, reference in REFERENCES.items():
            Path(trace).write_bytes(_with_facts(folder / reference))
        tools = Tools(len(REFERENCES))
        return _BLOCK.sub(lambda found: f"> {found['call']}\n{_answer(tools, found['call'])}\n", page)


def _answer(tools: Tools, call: str) -> str:
    parsed = ast.parse(call, mode="eval").body
    assert isinstance(parsed, ast.Call), f"no call: {call}"
    assert isinstance(parsed.func, ast.Name), f"no tool: {call}"
    given = {word.arg or "": ast.literal_eval(word.value) for word in parsed.keywords}
    return fit(getattr(tools, parsed.func.id)(*map(ast.literal_eval, parsed.args), **given))


def _with_facts(reference: Path) -> bytes:
    """A reference trace with the facts of its run; gzipped, quickly."""
    truth = json.loads(reference.with_name(f"{reference.name}.truth.json").read_bytes())
    facts = {
        "schema": "sdtrace.run/1",
        "model": truth["size"],
        "width": truth["res"],
        "height": truth["res"],
        "steps": truth["steps"],
        "batch": 1,
        "axes": {"dtype": "bf16"},
        "versions": {"torch": truth["torch"]},
        "unprofiled_wall_s": truth["steady_wall_s_unprofiled"],
    }
    with gzip.open(reference.with_name(f"{reference.name}.json.gz")) as file:
        whole = file.read().rstrip().removesuffix(b"}")
    return gzip.compress(whole + b', "sdtrace": ' + json.dumps(facts).encode() + b"}", compresslevel=1)


if __name__ == "__main__":
    PAGE.write_text(with_answers(PAGE.read_text(encoding="utf-8"), Path(sys.argv[1])), encoding="utf-8")
    print("wrote docs/mcp.md")
