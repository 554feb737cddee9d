"""Jinja2 templates and assets of the reports."""
