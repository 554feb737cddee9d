"""The templates' environment: what escapes, and the filters that templates write figures and names with."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from sdtrace.report import charts, names, summary, units


@cache
def environment() -> Environment:
    """HTML is escaped, Markdown arrives escaped, and a name that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("sdtrace_templates"),
        autoescape=select_autoescape(("html", "html.j2"), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    written = (units.duration, units.share, units.count, units.factor)
    environment.filters.update({function.__name__: function for function in written})
    named = (names.visible, names.code_spans, names.breakable)
    environment.filters.update({function.__name__: function for function in named})
    bars = (charts.idle_bars, charts.compile_bars, charts.category_bars, charts.component_bars)
    environment.filters.update({function.__name__: function for function in bars})
    environment.filters["phase_style"] = charts.phase_style
    environment.filters["feeding"] = summary.feeding
    return environment
