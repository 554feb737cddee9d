"""Splitting by arrays against `json`: where events are, and which of them are alike."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader.split import DIGIT, split_events
from sdtrace.reader.words import ROW, hash_spans

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0) | st.floats(0, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.lists(st.dictionaries(st.text(), values, min_size=1, max_size=4), min_size=1, max_size=9)


def without_digits(text: str) -> str:
    """The text with `DIGIT` for every digit outside strings."""
    kept = r'("[^"\\]*(?:\\.[^"\\]*)*")'
    return re.sub(kept + r"|\d", lambda found: found[1] or DIGIT.decode(), text)


@given(events, st.sampled_from([",", ", ", ",\n  "]), st.sampled_from([None, 1]), st.booleans())
def test_every_event_and_its_form_is_found(
    written: list[dict[str, Any]], between: str, indent: int | None, ascii_only: bool
) -> None:
    texts = [json.dumps(event, indent=indent, ensure_ascii=ascii_only) for event in written]
    data = between.join(texts).encode("utf-8", "surrogatepass")
    found = split_events(data, 0, len(data), is_all=True)
    events_found = [data[start:end].rstrip(b", \n") for start, end in pairwise(found.bounds.tolist())]
    assert events_found == [text.encode("utf-8", "surrogatepass") for text in texts]
    forms = [without_digits(text).encode("utf-8", "surrogatepass") for text in texts]
    assert [found.form_of(n).rstrip(b", \n") for n in range(len(texts))] == forms
    inner = forms[:-1]
    hashes = hash_spans(found.form, found.bounds[:-1], found.bounds[1:])[: len(inner)].tolist()
    assert [hashes.index(value) for value in hashes] == [inner.index(form) for form in inner]


def hashes_of(texts: list[bytes]) -> list[int]:
    joined = np.frombuffer(b"".join(texts) + bytes(ROW), np.uint8)
    bounds = np.cumsum([0, *map(len, texts)])
    hashes: list[int] = hash_spans(joined, bounds[:-1], bounds[1:]).tolist()
    return hashes


@given(st.lists(st.binary(min_size=1, max_size=3 * ROW), min_size=1), st.data())
def test_a_hash_depends_on_every_byte_and_on_nothing_else(texts: list[bytes], data: st.DataObject) -> None:
    changed = [bytearray(text) for text in texts]
    for text in changed:
        text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    both = [*texts, *map(bytes, changed), *texts]
    hashes = hashes_of(both)
    assert [both.index(text) for text in both] == [hashes.index(value) for value in hashes]


def distinct_hashes(texts: list[bytes]) -> int:
    return len(set(hashes_of(texts)))


def test_rows_that_change_places_change_the_hash() -> None:
    first, second, last = (bytes([letter]) * ROW for letter in b"abc")
    assert distinct_hashes([first + second + last, second + first + last, last + second + first]) == 3


def test_the_highest_bit_of_every_word_changes_the_hash() -> None:
    """As in letters beyond ASCII. A multiplication alone keeps at most one bit of it."""
    changed = [bytes(last) + b"\x80" + bytes(ROW - 1 - last) for last in range(7, ROW, 8)]
    assert distinct_hashes([bytes(ROW), *changed]) == 1 + len(changed)


def test_a_text_that_holds_the_byte_for_digits_has_a_form_of_its_own() -> None:
    texts = [b'{"a": 12}', b'{"a": 0.012}', b'{"a": 1\0}', b'{"a": "\0"}']
    data = b",".join(texts)
    split = split_events(data, 0, len(data), is_all=True)
    forms = [b'{"a": ..}', b'{"a": ._...}', b'!"a": ..}', b'!"a": "."}']
    expected = [form.replace(b".", DIGIT).replace(b"_", b".") for form in forms]
    assert [split.form_of(event).rstrip(b",") for event in range(len(texts))] == expected
