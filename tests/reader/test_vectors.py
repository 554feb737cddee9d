"""The vectorised parts against the obvious way: int, Decimal, a dictionary, and json."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader.argument_ids import read_ids
from sdtrace.reader.heads import HeadLines, Span
from sdtrace.reader.layout import PADDING
from sdtrace.reader.numbers import as_text, integers, thousandths

AFTER = st.sampled_from([",", "\n", " ", "}", ".", "e", "-", "/", ":", "x", "\x00", "\xff"])
WIDTHS = st.integers(1, 18).flatmap(lambda width: st.integers(0, 10**width - 1))


@given(st.lists(st.tuples(WIDTHS, AFTER), min_size=1))
def test_integers_equal_int(written: list[tuple[int, str]]) -> None:
    pieces = [f"{value}{after}" for value, after in written]
    at = np.cumsum([0, *map(len, pieces[:-1])])
    told = integers(as_text("".join(pieces).encode("latin-1") + PADDING), at)
    for (value, _), start, found, end, valid in zip(
        written, at.tolist(), told.values.tolist(), told.ends.tolist(), told.valid.tolist(), strict=True
    ):
        assert valid == (len(str(value)) < 16)
        if valid:
            assert (found, end) == (value, start + len(str(value)))


@given(st.text(st.characters(max_codepoint=255, exclude_characters="0123456789"), max_size=20))
def test_what_starts_with_no_digit_is_no_integer(text: str) -> None:
    told = integers(as_text(text.encode("latin-1") + PADDING), np.zeros(1, np.int64))
    assert not told.valid[0]


@given(
    st.lists(
        st.tuples(WIDTHS, st.integers(0, 6).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)))
    )
)
def test_thousandths_equal_decimal_where_they_are_valid(written: list[tuple[int, str]]) -> None:
    texts = [f"{whole}.{decimals}" if decimals else str(whole) for whole, decimals in written]
    at = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])]).astype(np.int64)[: len(texts)]
    told = thousandths(as_text(("".join(text + "," for text in texts)).encode() + PADDING), at)
    for text, start, found, end, valid in zip(
        texts, at.tolist(), told.values.tolist(), told.ends.tolist(), told.valid.tolist(), strict=True
    ):
        whole, _, decimals = text.partition(".")
        assert valid == (len(whole) < 16 and len(decimals) in (0, 3))
        if valid:
            assert (found, end) == (Decimal(text) * 1000, start + len(text))


def laid_out(lines: list[str]) -> tuple[bytes, Span]:
    """The lines as a reader meets them, and where each stands."""
    encoded = [line.encode() for line in lines]
    ends = np.cumsum([len(line) + 1 for line in encoded]) - 1
    return b"".join(line + b"\n" for line in encoded) + PADDING, Span(np.append(0, ends[:-1] + 1), ends)


names = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)


def head_line(category: str, name: str, tid: int) -> str:
    quoted = json.dumps(name, ensure_ascii=False)
    return f'    "ph": "X", "cat": "{category}", "name": {quoted}, "pid": 0, "tid": {tid},'


@given(
    st.lists(
        st.builds(head_line, st.sampled_from(["cpu_op", "kernel"]), names, st.integers(0, 3)), min_size=1
    )
)
def test_equal_first_lines_and_only_they_have_one_head(lines: list[str]) -> None:
    data, spans = laid_out(lines)
    told = HeadLines().decode(as_text(data), data, spans)
    indices = told.index.tolist()
    for line, index in zip(lines, indices, strict=True):
        expected, head = json.loads("{" + line.rstrip(",") + "}"), told.heads[index]
        assert (head.category, head.name, head.tid) == (expected["cat"], expected["name"], expected["tid"])
    assert len(set(indices)) == len(set(lines)) == len(told.heads)
    assert -1 not in indices


ids = st.one_of(st.none(), st.integers(0, 10**15 - 1))


@given(
    st.lists(
        st.tuples(
            ids,
            st.lists(st.sampled_from(["queued", "device", "stream", "est. achieved %"]), max_size=3),
            ids,
            ids,
        ),
        min_size=1,
        max_size=90,
    )
)
def test_ids_equal_what_json_reads(
    written: list[tuple[int | None, list[str], int | None, int | None]],
) -> None:
    lines = []
    for external, others, correlation, nbytes in written:
        fields = [
            ("External id", external),
            *((key, 7) for key in others),
            ("correlation", correlation),
            ("bytes", nbytes),
        ]
        lines.append("      " + ", ".join(f'"{key}": {value}' for key, value in fields if value is not None))
    data, spans = laid_out(lines)
    everywhere = np.ones(len(lines), np.bool_)
    told = read_ids(as_text(data), data, spans, everywhere, everywhere, everywhere)
    for line, *found, valid in zip(lines, *(column.tolist() for column in told), strict=True):
        expected = json.loads("{" + line + "}")
        if valid:
            assert found == [
                expected.get("External id", 0),
                expected["correlation"],
                expected.get("bytes", -1),
            ]
        else:
            assert "correlation" not in expected or len(lines) > 64
