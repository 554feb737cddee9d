from __future__ import annotations

import csv
import io

import polars as pl
from msgspec import structs

from sdtrace import model
from sdtrace.report import data_files
from sdtrace.tables import TABLES
from sdtrace.tables.frames import frames
from tests.report import sample, sample_rows


def test_every_table_has_the_rows_of_every_trace() -> None:
    report = sample.compared()
    of_traces = {table.id for table in TABLES}
    for name, frame in frames(report).items():
        if name not in of_traces:
            assert frame.height == 0, "the traces are of no job"
            continue
        assert frame.height == sum(len(getattr(trace, name)) for trace in report.traces), name


def test_a_table_has_the_fields_of_its_record_after_the_trace() -> None:
    columns = frames(sample.report())["ops"].columns
    assert columns == ["trace", *(field.name for field in structs.fields(model.Op))]


def test_parquet_keeps_names_and_times_exactly() -> None:
    content = data_files.parquet_files(sample.report())["kernels.parquet"]
    frame = pl.read_parquet(io.BytesIO(content))
    assert frame["name"].to_list() == [row.name for row in sample_rows.kernels()]
    assert frame["total_us"].to_list() == [row.total_us for row in sample_rows.kernels()]


def test_a_spreadsheet_finds_no_formula_in_the_csv() -> None:
    for name, content in data_files.csv_files(sample.report()).items():
        for row in csv.reader(io.StringIO(content.decode())):
            cells = [cell for cell in row if cell.lstrip().startswith(("=", "+", "@"))]
            assert cells == [], name


def test_csv_has_one_record_for_each_row_even_where_a_name_breaks_the_line() -> None:
    content = data_files.csv_files(sample.report())["ops.csv"].decode()
    records = list(csv.DictReader(io.StringIO(content)))
    assert len(records) == len(sample_rows.ops())
    assert sample_rows.NEWLINE in {record["name"] for record in records}
    assert "'" + sample_rows.FORMULA in {record["name"] for record in records}


def test_a_missing_saving_is_an_empty_cell() -> None:
    content = data_files.csv_files(sample.report())["findings.csv"].decode()
    savings = [record["saving_us"] for record in csv.DictReader(io.StringIO(content))]
    assert savings == ["62400000.0", "7400000.0", "71000.0", ""]


def test_an_empty_report_makes_tables_with_columns_and_no_rows() -> None:
    empty = model.Report(schema=model.SCHEMA, version="0.1.0", traces=[], comparison=None)
    assert data_files.csv_files(empty)["idle.csv"] == b"trace,cause,us,gaps\n"
