"""Splitting by arrays against `json`: where events are, and which of them are alike."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader.split import split_events

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0) | st.floats(0, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.lists(st.dictionaries(st.text(), values, min_size=1, max_size=4), min_size=1, max_size=9)


def without_digits(text: str) -> str:
    """The text with `0` for every run of digits outside strings."""
    return re.sub(r'("[^"\\]*(?:\\.[^"\\]*)*")|\d+', lambda found: found[1] or "0", text)


@given(events, st.sampled_from([",", ", ", ",\n  "]), st.sampled_from([None, 1]), st.booleans())
def test_every_event_and_its_skeleton_is_found(
    written: list[dict[str, Any]], between: str, indent: int | None, ascii_only: bool
) -> None:
    texts = [json.dumps(event, indent=indent, ensure_ascii=ascii_only) for event in written]
    data = between.join(texts).encode("utf-8", "surrogatepass")
    split = split_events(np.frombuffer(data, np.uint8), is_all=True)
    starts = split.starts.tolist()
    pieces = [data[a:b].rstrip(b", \n") for a, b in pairwise(starts)]
    assert pieces == [text.encode("utf-8", "surrogatepass") for text in texts]
    skeletons = [without_digits(text).encode("utf-8", "surrogatepass") for text in texts]
    assert [split.skeletons.one(n).rstrip(b"\x01, \n") for n in range(len(texts))] == skeletons
    inner = skeletons[:-1]
    hashes = split.skeletons.hashes()[: len(inner)].tolist()
    assert [hashes.index(value) for value in hashes] == [inner.index(skeleton) for skeleton in inner]


@given(events)
def test_digits_are_where_each_event_has_them(written: list[dict[str, Any]]) -> None:
    texts = [json.dumps(event) for event in written]
    data = ",".join(texts).encode()
    split = split_events(np.frombuffer(data, np.uint8), is_all=True)
    bounds = [*split.first.tolist(), len(split.digits)]
    for n, text in enumerate(texts):
        bare = re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"', lambda found: "." * len(found[0]), text)
        expected = [split.starts[n] + found.start() for found in re.finditer(r"\d+", bare)]
        assert split.digits[bounds[n] : bounds[n + 1]].tolist() == expected


def test_what_json_does_not_allow_is_odd() -> None:
    valid = [b'{"a": 0.012}', b'{"a": 0}', b'{"a": [1e-05, 2E+007, 1e00]}']
    texts = [b'{"a": 012}', valid[0], b'{"a": "\x01"}', valid[1], b'{"a": -00}', valid[2]]
    split = split_events(np.frombuffer(b",".join(texts), np.uint8), is_all=True)
    assert sorted(split.odd.tolist()) == [0, 2, 4]
