"""`import sdtrace`: what it holds, how quickly it comes, and that every example in it is true."""

from __future__ import annotations

import doctest
import inspect
import re
import subprocess
import sys
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import polars as pl
import pytest

import sdtrace
from sdtrace.errors import SdtraceError

_ATTRIBUTES = (property, cached_property)
WITH_EXAMPLES = ["analysis", "tables", "loading", "comparing", "job", "fleet_store"]


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert sorted(sdtrace.__all__) == sdtrace.__all__
    assert set(dir(sdtrace)) == set(sdtrace.__all__)
    for name in sdtrace.__all__:
        found = getattr(sdtrace, name)
        assert isinstance(found, str) or (found.__doc__ and len(found.__doc__) > 30)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        sdtrace.laod  # noqa: B018  # a mistake, as a user would make it


def test_what_an_analysis_offers_says_what_it_is() -> None:
    public = {name: value for name, value in vars(sdtrace.Analysis).items() if not name.startswith("_")}
    assert [name for name, value in public.items() if ">>> " not in value.__doc__] == []


def test_every_frame_says_its_columns_and_their_types(regional: sdtrace.Analysis) -> None:
    for name, value in inspect.getmembers(sdtrace.Analysis, lambda value: isinstance(value, _ATTRIBUTES)):
        found = getattr(regional, name) if name[0] != "_" else None
        if isinstance(found, pl.DataFrame):
            said = " ".join(str(value.__doc__).split())
            parts = re.findall(r"([a-z_, ]+) \((\w+)", said.partition("Columns: ")[2])
            told = {column: kind for names, kind in parts for column in names.strip(" ;").split(", ")}
            assert told == {column: str(kind) for column, kind in found.schema.items()}, name


def test_the_exceptions_are_a_tree() -> None:
    for name in ("DifferentWork", "OutputError", "UnreadableTrace", "UsageError"):
        assert issubclass(getattr(sdtrace, name), SdtraceError)
        assert name in str(sys.modules["sdtrace.errors"].__doc__)


def test_importing_it_imports_nothing_heavy() -> None:
    program = "import sys, sdtrace; print({'numpy', 'polars', 'msgspec', 'click'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_are_true(name: str, request: pytest.FixtureRequest) -> None:
    module: ModuleType = import_module(f"sdtrace.api.{name}")
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    examples = 0
    for test in finder.find(module, extraglobs={"getfixture": request.getfixturevalue}):
        if test.name.endswith(".hta") and find_spec("hta") is None:
            continue
        examples += len(test.examples)
        assert runner.run(test).failed == 0, test.name
    assert examples
