"""Times of any length, on any clock: exact, and read by arrays, not one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdtrace.reader import rows
from tests.reader.decoder import decode, load, read_text, rows_of

TRACE = Path(__file__).parents[2] / "traces" / "h200-bf16_sdpa_cudagraphs.json"
LIMIT_US = Decimal(1 << 62) / 1000

Clock = Callable[[float], float]
CLOCKS: dict[str, tuple[Clock, Clock]] = {
    "as written": (float, float),
    "since 1970, as torch wrote before 2024": (lambda time: round(time + 1.7e15, 3), float),
    "since the first event": (lambda time: time - 4.5e12, float),
    "scaled": (lambda time: time * 1.0000001, lambda duration: duration * 1.0000001),
    "through seconds": (lambda time: time / 1e6 * 1e6, lambda duration: duration / 1e6 * 1e6),
    "whole": (round, round),
}
"""How programs rewrite `ts` and `dur`: with floats."""


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_rewritten_clock_is_read_exactly_and_by_arrays(
    clock: str, alone: list[bytes], tmp_path: Path
) -> None:
    document = load(TRACE.read_text())
    for event in document["traceEvents"]:
        for key, rewrite in zip(("ts", "dur"), CLOCKS[clock], strict=True):
            if key in event:
                event[key] = rewrite(float(event[key]))
    text = json.dumps(document, default=float)
    plain = decode(text)
    assert len(plain.rows) > 3000
    assert rows_of(read_text(text, tmp_path)) == plain.rows
    assert len(alone) < len(document["traceEvents"]) / 10


@given(st.lists(st.tuples(st.integers(0, 10**15), st.from_regex(r"\d{1,16}", fullmatch=True)), min_size=1))
def test_beyond_three_decimals_are_rounded_half_to_even(written: list[tuple[int, str]]) -> None:
    whole, decimals = (np.array([int(parts[n]) for parts in written]) for n in (0, 1))
    digits = np.array([len(text) for _, text in written])
    expected = [round(Decimal(f"{number}.{text}") * 1000) for number, text in written]
    assert rows._nanoseconds(whole, decimals, digits).tolist() == expected


@pytest.mark.parametrize("decimals", ["0005", "0015", "0025", "00250", "002500001", "9995", "99949999"])
def test_a_tie_is_the_same_once_and_many_times(decimals: str, tmp_path: Path) -> None:
    event = '{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":1,"tid":1,"ts":%s,"dur":0.%s}'
    texts = [event % (f"{at}.{decimals}", decimals) for at in range(10, 60)]
    expected = [row for text in texts for row in decode(f"[{text}]").rows]
    assert rows_of(read_text(f"[{','.join(texts)}]", tmp_path)) == expected


@pytest.mark.parametrize("first", [0, 1, 39, 40])
def test_a_time_too_late_to_be_one_is_skipped_wherever_it_stands(first: int, tmp_path: Path) -> None:
    times = [
        "3999999999999999.999", "4611686018427387", "4611686018427387.903", "4611686018427388",
        "4611686018427387.905", "9223372036854775.807", "9223372036854775.808", "9999999999999999", "1.5",
    ]  # fmt: skip
    events = ['{"ph":"X","cat":"cpu_op","name":"a","ts":1712195495519762.5,"dur":1}'] * 40
    events[first:first] = [f'{{"ph":"X","cat":"cpu_op","name":"a","ts":{time},"dur":1}}' for time in times]
    raw = read_text(f"[{','.join(events)}]", tmp_path)
    kept = [time for time in times if Decimal(time) < LIMIT_US]
    assert raw.skipped == len(times) - len(kept) == 5
    starts = [1_712_195_495_519_762_500] * 40
    starts[first:first] = [int(Decimal(time) * 1000) for time in kept]
    assert raw.columns.start_ns.tolist() == starts


@pytest.mark.parametrize("others", [0, 1, 5])
def test_zeros_before_a_number_change_nothing(others: int, tmp_path: Path) -> None:
    """No JSON, but there is one way to read it, and it is the same for an event alone and among others."""
    event = (
        '{"ph":"X","cat":"cpu_op","name":"aten::mm 007","pid":%s,"tid":1,"ts":%s,"dur":0.50,'
        '"args":{"External id":%s,"a":%s}}'
    )
    texts = [event % (12, 345.5, 67, -8)] * others
    texts += [event % ("012", "0345.5", "067", "-08"), event % ("12", "345.5", "67", "-8")]
    raw = read_text(f"[{','.join(texts)}]", tmp_path)
    assert rows_of(raw) == decode(f"[{','.join([texts[-1]] * len(texts))}]").rows
    assert raw.skipped == 0
