"""The tools as an assistant has them: docstrings and descriptions are what it reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdtrace.mcp import ask, comparing, store
from sdtrace.mcp import findings as listing
from sdtrace.mcp import verdict as first_answer
from sdtrace.mcp import verify as proof
from sdtrace.mcp.text import MOST_TOKENS

Trace = Annotated[str, Field(description="Path of a trace: .json, .json.gz, .json.xz or .json.zst.")]
Id = Annotated[str, Field(description="Id of a finding, such as host.launch_bound.")]
Tokens = Annotated[int, Field(description="Most tokens of the answer.", ge=100, le=50_000)]
AnyWork = Annotated[
    bool, Field(description="Compare also other work: another model, size, batch or number of steps.")
]
Rows = Annotated[int, Field(description="Most rows of the answer.", ge=1, le=10_000)]
Whole = Annotated[bool, Field(description="Do not cut long names.")]


class Tools:
    """Every public method is a tool. Each raises SdtraceError where the user can act on it."""

    def __init__(self, kept: int) -> None:
        self._store = store.Store(kept)

    def verdict(self, trace: Trace) -> str:
        """Start here: what ran, how long an iteration takes, one-time cost, what dominates, what to do."""
        return first_answer.verdict(self._store.get(trace))

    def findings(
        self,
        trace: Trace,
        severity: Annotated[
            Literal["high", "medium", "low", "info"] | None,
            Field(description="Only those at least as severe."),
        ] = None,
        max_tokens: Tokens = MOST_TOKENS,  # noqa: ARG002  # the server cuts every answer
    ) -> str:
        """List what is wrong and what to change, most valuable first: id, title, what it saves."""
        return listing.findings(self._store.get(trace), severity)

    def finding(self, trace: Trace, id: Id, max_tokens: Tokens = MOST_TOKENS) -> str:  # noqa: A002, ARG002  # as above
        """Read one finding before you act on it: evidence, advice, rows that prove it, how to verify it."""
        return listing.finding(self._store.get(trace), id)

    def tables(
        self,
        name: Annotated[str | None, Field(description="A table, to read what its columns mean.")] = None,
    ) -> str:
        """List the tables and columns that query can ask. Call it before you write SQL."""
        return ask.tables(name)

    def query(
        self,
        trace: Trace,
        sql: Annotated[str, Field(description="A SELECT; polars SQL, which is close to PostgreSQL.")],
        limit: Rows = ask.ROWS,
        whole: Whole = False,
        max_tokens: Tokens = MOST_TOKENS,  # noqa: ARG002  # as above
    ) -> str:
        """Ask in SQL what the other tools do not tell. Aggregate and sort in SQL: long answers are cut."""
        return ask.query(self._store.get(trace), sql, limit, whole=whole)

    def compare(
        self,
        base: Trace,
        candidates: Annotated[list[str], Field(description="Paths of traces to hold against the base.")],
        allow_different_work: AnyWork = False,
        max_tokens: Tokens = MOST_TOKENS,  # noqa: ARG002  # as above
    ) -> str:
        """Compare traces of the same work by steady iteration: time, launches, which kernels moved."""
        others = [self._store.get(path) for path in candidates]
        return comparing.compare(self._store.get(base), others, allow_different_work=allow_different_work)

    def verify(
        self,
        trace: Trace,
        id: Id,  # noqa: A002  # what the finding calls it
        after: Annotated[
            str | None, Field(description="Path of the trace made after the change; none: show the evidence.")
        ] = None,
        allow_different_work: AnyWork = False,
        max_tokens: Tokens = MOST_TOKENS,  # noqa: ARG002  # as above
    ) -> str:
        """Check a finding. With `after` say whether its promise came true; without, show its evidence again.

        Call it with `after` once you changed the program and profiled it in the same way.
        """
        one = self._store.get(trace)
        if after is None:
            return proof.shown_now(one, id)
        return proof.came_true(one, self._store.get(after), id, allow_different_work=allow_different_work)

    def traces(
        self,
        folder: Annotated[str, Field(description="A folder, or a pattern such as runs/**/*.json.gz.")],
    ) -> str:
        """List the traces of a folder, the newest first. Use it when you do not know a trace's path."""
        return store.traces(folder)


NAMES = ("verdict", "findings", "finding", "verify", "compare", "tables", "query", "traces")
"""The tools, in the order in which an assistant is told of them."""
