"""Kernels as libraries and devices name them: which category they are filed under, what they are called."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

from sdtrace.breakdowns.categories import categorize
from sdtrace.breakdowns.rules import KernelKey, load_rules
from sdtrace.breakdowns.short_names import MAX_LENGTH, short_name

RULES = load_rules()


class Named(NamedTuple):
    family: str
    event: str
    category: str
    op: str
    kernel: str


with Path(__file__).with_name("kernel_names.tsv").open(encoding="utf-8", newline="") as _file:
    TABLE = [Named(**row) for row in csv.DictReader(_file, delimiter="\t", quoting=csv.QUOTE_NONE)]
FAMILIES = sorted({named.family for named in TABLE})


def key(named: Named) -> KernelKey:
    return KernelKey(named.event, named.kernel, named.op, "")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernels_of_a_family_are_filed_under_their_categories(family: str) -> None:
    known = [named for named in TABLE if named.family == family]
    found = categorize([key(named) for named in known], RULES)
    wrong = [
        (named.kernel, named.op, named.category, got)
        for named, got in zip(known, found, strict=True)
        if got != named.category
    ]
    assert not wrong


def test_a_category_does_not_depend_on_what_else_is_asked() -> None:
    together = categorize([key(named) for named in TABLE], RULES)
    assert together == [categorize([key(named)], RULES)[0] for named in TABLE]


@pytest.mark.parametrize("family", FAMILIES)
def test_short_names_of_a_family_fit_and_tell_its_kernels_apart(family: str) -> None:
    names = list(dict.fromkeys(named.kernel for named in TABLE if named.family == family))
    shorts = [short_name(name) for name in names]
    assert max(map(len, shorts)) <= MAX_LENGTH
    assert len(set(shorts)) == len(names)
    assert not [short for short in shorts if "::" in short or short.startswith(("void ", "std"))]
