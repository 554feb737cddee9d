"""Traces made up from nothing: any values under the keys of events, and the shapes that break parsers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdtrace.reader.categories import DEVICE, HOST
from tests.fuzz.invariants import check, examples, read_and_attribute
from tests.fuzz.mutations import Input

CATEGORIES = sorted(HOST | DEVICE)
numbers: st.SearchStrategy[Any] = st.one_of(
    st.integers(-5, 40),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["1.5", "x", "", None, True, [], {}, "\ud800"]),
)
times = st.one_of(st.integers(0, 50), st.decimals(0, 50, places=3).map(float), numbers)
arguments = st.one_of(
    numbers,
    st.dictionaries(
        st.sampled_from(
            ["External id", "external id", "correlation", "bytes", "Bytes", "Device Type", "name", "x"]
        ),
        numbers,
    ),
    st.fixed_dictionaries(
        {
            "Input Dims": st.lists(st.lists(st.integers(-1, 2**40), max_size=5), max_size=4),
            "Concrete Inputs": st.lists(
                st.sampled_from(["", "[1, 1]", "[0]", "[2, 2, 2]", "True", "x"]), max_size=7
            ),
            "External id": st.integers(0, 9),
        }
    ),
)
events = st.one_of(
    st.fixed_dictionaries(
        {
            "ph": st.just("X"),
            "cat": st.sampled_from(CATEGORIES),
            "name": st.text(max_size=3),
            "ts": times,
            "dur": times,
        },
        optional={"pid": st.integers(0, 2), "tid": st.integers(0, 3), "args": arguments},
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "ph": st.one_of(st.sampled_from("XXiMCsfBE"), numbers),
            "cat": st.one_of(st.sampled_from(CATEGORIES), numbers),
            "name": st.one_of(
                st.sampled_from(["[memory]", "aten::conv2d", "aten::bmm", "thread_name"]), numbers
            ),
            "pid": numbers,
            "tid": numbers,
            "ts": times,
            "dur": times,
            "args": arguments,
        },
    ),
    numbers,
)


@settings(
    max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(events, max_size=25), st.booleans())
def test_any_events_are_read_or_refused_and_all_are_counted(
    tmp_path: Path, listed: list[Any], is_array: bool
) -> None:
    data = json.dumps(listed if is_array else {"traceEvents": listed}).encode()
    check(read_and_attribute, tmp_path / "trace.json", Input(data, len(listed), len(listed)))


def event(**changes: Any) -> dict[str, Any]:
    return {
        "ph": "X",
        "cat": "cpu_op",
        "name": "a",
        "pid": 1,
        "tid": 1,
        "ts": 5,
        "dur": 2,
        "args": {},
    } | changes


def kernel(number: int, **changes: Any) -> dict[str, Any]:
    args = {"External id": number, "correlation": number}
    return event(cat="kernel", name="k", pid=0, tid=7, args=args) | changes


DEEP = "[" * 100_000 + "]" * 100_000
SHAPES: dict[str, tuple[str, int]] = {
    "10,000 threads": (json.dumps([event(tid=n, ts=n % 7, dur=n % 5) for n in range(10_000)]), 10_000),
    "10,000 streams": (json.dumps([kernel(n, tid=n) for n in range(1, 10_001)]), 10_000),
    "all empty": (json.dumps([event(ts=0, dur=0), kernel(1, ts=0, dur=0)] * 2000), 4000),
    "all equal": (json.dumps([event(cat=c) for c in CATEGORIES] * 200), 200 * len(CATEGORIES)),
    "nested 20,000 deep": (
        json.dumps([event(ts=n, dur=100_000 - 2 * n, name=str(n)) for n in range(20_000)]),
        20_000,
    ),
    "folded 20,000 deep": (
        json.dumps(
            [event(ts=n, dur=100_000 - 2 * n, name="same", args={"External id": n}) for n in range(20_000)]
        ),
        20_000,
    ),
    "each overlaps the next": (json.dumps([event(ts=n, dur=2) for n in range(20_000)]), 20_000),
    "overhead inside 5,000 ops": (
        json.dumps(
            [event(ts=n, dur=20_000 - n) for n in range(5_000)]
            + [event(cat="overhead", ts=9_000 + n, dur=1) for n in range(2_000)]
        ),
        7_000,
    ),
    "overhead after 20,000 overlaps": (
        json.dumps([event(ts=n, dur=2) for n in range(20_000)] + [event(cat="overhead", ts=20_000)]),
        20_001,
    ),
    "13 days, 9,000 times": (json.dumps([event(ts=0, dur=(1 << 50) // 1000 - 1)] * 9_000), 9_000),
    "one id for all": (json.dumps([event(args={"External id": 1}), kernel(1)] * 3_000), 6_000),
    "100,000 brackets as an event": ("[" + DEEP + "," + json.dumps(event()) + "]", 2),
    "100,000 brackets as arguments": (
        json.dumps([event(), event(args="?")]).replace('"?"', '{"a":' + DEEP + "}"),
        2,
    ),
    "100,000 brackets before": ('{"x":' + DEEP + ',"traceEvents":[' + json.dumps(event()) + "]}", 1),
    "100,000 brackets after": ('{"traceEvents":[' + json.dumps(event()) + '],"x":' + DEEP + "}", 1),
    "100,000 brackets as facts": (json.dumps({"sdtrace": DEEP, "traceEvents": [event()]}), 1),
    "megabytes after": (json.dumps({"traceEvents": [event()], "x": ["y" * 100] * 50_000}), 1),
    "megabytes before": (json.dumps({"x": ["y" * 100] * 50_000, "traceEvents": [event()]}), 1),
    "the key inside a text": (json.dumps({"x": '"traceEvents": [{"ph": "X"', "traceEvents": [event()]}), 1),
    "the key inside an object": (json.dumps({"x": {"traceEvents": [1, 2, 3]}, "traceEvents": [event()]}), 1),
    "the key inside 50,000 objects": (json.dumps({"x": [{"traceEvents": [{}]}] * 50_000}), 0),
    "the key inside a name": (json.dumps({"traceEvents": [event(name='"traceEvents": [')] * 3}), 3),
    "brackets never closed": ("[" + '{"ph":[{},' * 300_000, 0),
    "quotes never closed": ("[" + '{"name":"a,' * 300_000, 0),
    "names never closed": ('[{"ph":"X"' + ',"name":"' * 300_000 + "},]", 0),
    "numbers for events": ("[" + "1," * 300_000 + json.dumps(event()) + "]", 300_001),
    "commas": ("[" + "," * 3_000_000 + json.dumps(event()) + "]", 1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_breaks_parsers_is_read_or_refused_soon(shape: str, tmp_path: Path) -> None:
    text, held = SHAPES[shape]
    gives_up = 20_001
    least = min(held, gives_up)
    check(read_and_attribute, tmp_path / "trace.json", Input(text.encode(), least, max(held, gives_up)))
