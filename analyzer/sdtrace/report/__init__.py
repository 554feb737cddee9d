"""Reports: the tables and sentences of an analysis as HTML, Markdown, JSON, CSV, Parquet and text."""
