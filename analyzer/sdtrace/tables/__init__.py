"""The tables of a report, declared once: all media, the data files and the reference come from here."""

from sdtrace.tables.catalog import TABLES
from sdtrace.tables.columns import DATA, HTML, MARKDOWN, TERMINAL, Cell, Column, Kind
from sdtrace.tables.job_tables import JOB_TABLES
from sdtrace.tables.table import Bar, Filled, Table, fill, fill_all, full_name

__all__ = [
    "DATA",
    "HTML",
    "JOB_TABLES",
    "MARKDOWN",
    "TABLES",
    "TERMINAL",
    "Bar",
    "Cell",
    "Column",
    "Filled",
    "Kind",
    "Table",
    "fill",
    "fill_all",
    "full_name",
]
