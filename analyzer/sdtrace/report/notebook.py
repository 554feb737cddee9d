"""A trace in a notebook's cell: verdict, phases and findings, without script or style sheet."""

from __future__ import annotations

from html import escape

from sdtrace.model import Finding, TraceReport, VerdictLine
from sdtrace.report.names import code_spans, visible
from sdtrace.report.summary import caveats, headline
from sdtrace.tables import HTML, TABLES, Filled, fill

_FINDINGS = 3


def render_notebook(trace: TraceReport) -> str:
    """An HTML fragment; names from the trace are text and nothing else."""
    phases = fill(next(table for table in TABLES if table.id == "phases"), trace, HTML)
    parts = [
        f"<h3>{_text(trace.name)}</h3>",
        *(_line(line) for line in (trace.verdict.lines if trace.verdict else [])),
        f"<p>{_text(headline(trace))}</p>",
        *(f"<p><em>{_text(line)}</em></p>" for line in caveats(trace)),
        _table(phases) if phases.records else "",
        *(_finding(found) for found in trace.findings[:_FINDINGS]),
    ]
    return f"<div>{''.join(parts)}</div>"


def _line(line: VerdictLine) -> str:
    lead = f"<strong>{_text(line.lead)}</strong> " if line.lead else ""
    return f"<div>{_text(line.label)}: {lead}{_text(line.rest)}</div>"


def _table(filled: Filled) -> str:
    head = "".join(f"<th>{escape(column.header)}</th>" for column in filled.columns)
    cells = ("".join(f"<td>{_text(cell.text)}</td>" for cell in row) for row in filled.cells)
    rows = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _finding(found: Finding) -> str:
    return f"<p><strong>{_prose(found.title)}</strong> {_prose(found.evidence)} {_prose(found.advice)}</p>"


def _prose(text: str) -> str:
    """Sentences, with what stands in backticks as code."""
    pieces = code_spans(visible(text))
    return "".join(f"<code>{escape(piece)}</code>" if is_code else escape(piece) for is_code, piece in pieces)


def _text(text: str) -> str:
    return escape(visible(text))
