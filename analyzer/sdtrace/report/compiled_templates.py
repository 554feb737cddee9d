"""Templates compiled once: kept where Python keeps the modules that it compiled."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, BytecodeCache

import sdtrace_templates
from sdtrace.atomic_files import write_all
from sdtrace.errors import OutputError


class CompiledTemplates(BytecodeCache):
    """A file for each template; Jinja makes it anew when the template or Python changed.

    As with modules, a folder that takes no files costs nothing but time, and `python -B` writes none.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket, if its template was compiled before."""
        with suppress(OSError), _file(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what is in the bucket."""
        if not sys.dont_write_bytecode:
            with suppress(OutputError):
                write_all({_file(bucket): bucket.bytecode_to_string()}, force=True)


def _file(bucket: Bucket) -> Path:
    beside = Path(cache_from_source(sdtrace_templates.__file__))
    return beside.with_name(f"{bucket.key}.{sys.implementation.cache_tag}.jinja-{jinja2.__version__}")
