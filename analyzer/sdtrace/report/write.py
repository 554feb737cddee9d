"""Write a report in the formats asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sdtrace import own_files
from sdtrace.errors import UsageError
from sdtrace.model import Report
from sdtrace.report.exploration import Exploration
from sdtrace.report.html import render_html
from sdtrace.report.markdown import render_markdown
from sdtrace.report.to_json import render_json
from sdtrace.tables import JOB_TABLES, TABLES

FORMATS: dict[str, Callable[[Report, int, Sequence[Exploration]], dict[str, bytes]]] = {
    "html": lambda report, top, pages: {"report.html": render_html(report, top, pages).encode()},
    "md": lambda report, top, _: {"report.md": render_markdown(report, top).encode()},
    "json": lambda report, *_: {"report.json": render_json(report)},
    "csv": lambda report, *_: _tables(report, "csv"),
    "parquet": lambda report, *_: _tables(report, "parquet"),
}
"""Format to what renders it: a report, the rows of long tables and what a page holds beside the report to
the files by name."""
_TABLE_FORMATS = ("csv", "parquet")
"""Formats of one file for each table."""


def write_reports(
    report: Report,
    folder: Path,
    formats: Sequence[str],
    *,
    top: int,
    force: bool,
    pages: Sequence[Exploration] = (),
) -> list[Path]:
    """Render `formats` into `folder` and return the files, in the order of `formats`.

    `pages` has what a page shows of parts of each trace; without it, the page shows the report alone.

    All are rendered before the first is written. None is written when `force` is not set and any exists
    that sdtrace did not write, or that was edited.
    Raises UsageError for an unknown format, OutputError when a file cannot be written.
    """
    _check(formats)
    contents: dict[Path, bytes] = {}
    for name in formats:
        contents |= {folder / file: content for file, content in FORMATS[name](report, top, pages).items()}
    return own_files.write(contents, force=force)


def report_files(folder: Path, formats: Sequence[str]) -> list[Path]:
    """The files that `write_reports` writes. Raises UsageError for an unknown format."""
    _check(formats)
    names: list[str] = []
    for name in formats:
        names += _table_files(name) if name in _TABLE_FORMATS else [f"report.{name}"]
    return [folder / name for name in names]


def _check(formats: Sequence[str]) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"unknown format {unknown[0]!r}; valid formats are {', '.join(FORMATS)}")


def _table_files(name: str) -> list[str]:
    return [f"{table.id}.{name}" for table in (*TABLES, *JOB_TABLES)]


def _tables(report: Report, name: str) -> dict[str, bytes]:
    from sdtrace.report.data_files import csv_files, parquet_files  # noqa: PLC0415  # polars, 0.1 s to import

    return csv_files(report) if name == "csv" else parquet_files(report)
