"""The templates' environment: what escapes, and the filters that templates write figures and names with."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from sdtrace import units
from sdtrace.report import charts, names, story, summary
from sdtrace.report.compiled_templates import CompiledTemplates


@cache
def environment() -> Environment:
    """HTML is escaped, Markdown arrives escaped, and a name that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("sdtrace_templates"),
        bytecode_cache=CompiledTemplates(),
        autoescape=select_autoescape(("html", "html.j2"), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (units.duration, units.count, names.visible, names.code_spans, names.breakable):
        environment.filters[function.__name__] = function
    environment.filters["phase_style"] = charts.phase_style
    environment.filters["unbroken"] = units.unbroken
    environment.filters["signed"] = story.signed
    environment.filters["saving"] = summary.saving
    return environment
