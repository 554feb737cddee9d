"""Reports: the data model and what renders it."""
