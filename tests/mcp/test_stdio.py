"""The server as an assistant meets it: a process of its own, asked by the SDK's client."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from sdtrace.mcp.text import CHARS_PER_TOKEN
from sdtrace.mcp.tools import NAMES, Tools
from tests.cli.command import COLD, EAGER

MOST_TOKENS_OF_TOOLS = 2_500
"""What an assistant pays for the list of tools in every session."""


def asked(questions: Callable[[Client], Awaitable[None]], folder: Path) -> None:
    """Start the server in `folder`, and ask."""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder / "cache")}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "sdtrace", "mcp"], env=environment, cwd=folder
    )

    async def session() -> None:
        with anyio.fail_after(60):
            async with Client(command) as client:
                await questions(client)

    anyio.run(session)


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_an_assistant_gets_the_answers_of_the_tools(tmp_path: Path, tools: Tools) -> None:
    async def questions(client: Client) -> None:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == list(NAMES)
        assert all(
            tool.description and tool.annotations and tool.annotations.read_only_hint for tool in listed
        )
        size = sum(len(tool.model_dump_json(exclude_none=True)) for tool in listed)
        assert size / CHARS_PER_TOKEN < MOST_TOKENS_OF_TOOLS

        async def call(name: str, **given: Any) -> CallToolResult:
            return await client.call_tool(name, given)

        trace = str(COLD)
        assert text(await call("verdict", trace=trace)) == tools.verdict(trace)
        shown = text(await call("verify", trace=trace, id="overhead.autotune"))
        assert shown == tools.verify(trace, "overhead.autotune")
        long = await call("query", trace=trace, sql="SELECT * FROM events", limit=9_999)
        assert len(text(long)) < 2_000 * CHARS_PER_TOKEN
        longer = await call("query", trace=trace, sql="SELECT * FROM events", limit=9_999, max_tokens=4_000)
        assert len(text(longer)) > 3_000 * CHARS_PER_TOKEN
        different = await call("compare", base=trace, candidates=[str(EAGER)])
        assert different.is_error
        assert text(different).count("\n") == 0
        missing = await call("verdict", trace="nowhere.json")
        assert missing.is_error
        assert text(missing) == "nowhere.json: no such file or folder"
        assert (await call("finding", trace=trace)).is_error
        assert {path.name for path in tmp_path.iterdir()} == {"cache"}

    asked(questions, tmp_path)
