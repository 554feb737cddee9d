"""Small edits of real events, in several layouts, against a plain decoder: `json` and `Decimal`."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from sdtrace.reader.categories import canonical
from tests.reader.decoder import HAVE_IDS, LAUNCHED, Row, read_text, rows_of

TRACE = Path(__file__).parents[2] / "traces" / "h200-bf16_sdpa_cudagraphs.json"
ID_LIMIT, THREAD_LIMIT = 1 << 62, 1 << 64


class Number(str):
    """A number as it stands in the text."""

    __slots__ = ()


class Fields(list[tuple[str, Any]]):
    """An object with its keys in order; a key may be there twice."""


def load(text: str) -> Any:
    return json.loads(text, object_pairs_hook=Fields, parse_int=Number, parse_float=Number)


class Layout(NamedTuple):
    between: str
    colon: str
    after_event: str


LAYOUTS: Final = {
    "compact": Layout(",", ":", ","),
    "spaced": Layout(", ", ": ", ", "),
    "a field a line": Layout(",\n    ", ": ", ",\n  "),
    "CRLF": Layout(",\r\n\t", " :\t", ",\r\n"),
}


def write(value: Any, layout: Layout) -> str:
    if isinstance(value, Fields):
        fields = [json.dumps(key) + layout.colon + write(item, layout) for key, item in value]
        return "{" + layout.between.join(fields) + "}"
    if isinstance(value, list):
        return "[" + layout.between.join(write(item, layout) for item in value) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


NUMBERS: Final = [
    "0", "5.0", "5.25", "1e3", "1.5e-2", "-7", "-0", "-3.5", "2E5", "7.1", "7.12", "7.120", "0.001", "10.010",
    "0.0015", "0.0025", "4546829559220.4475", "1712195495519762.655", "123456789012345", "1234567890123456",
    "12345678901234567890", "18446744073709551615", "18446744073709551617", "99999999999999999999999",
]  # fmt: skip
OTHERS: Final[list[Any]] = [
    "12", "12.5", "", "x 7", 'a "quoted" 12', '}, {"ph": "X"', "C:\\Users\\1", "\\", '\\"', "tab\tline\n",
    "é中 3", "\U0001f600", "stream 7", None, True, False, [], [Number("1")], Fields(),
    Fields([("ts", Number("1"))]),
]  # fmt: skip
VALUES: Final = (*map(Number, NUMBERS), *OTHERS)
KEYS: Final = [
    "ph", "cat", "name", "pid", "tid", "ts", "dur", "args", "id", "correlation", "bytes", "new",
    "External id", "external id",
]  # fmt: skip


def edited(event: Fields, rng: random.Random) -> Fields:
    """The event with one field changed, doubled, dropped, moved or added, at the top or in its arguments."""
    fields = Fields(event)
    inner = next((n for n, (_, value) in enumerate(fields) if isinstance(value, Fields) and value), None)
    if inner is not None and rng.random() < 0.5:
        key, value = fields[inner]
        fields[inner] = (key, changed(Fields(value), rng))
        return fields
    return changed(fields, rng)


def changed(fields: Fields, rng: random.Random) -> Fields:
    place, value = rng.randrange(len(fields)), rng.choice(VALUES)
    key = fields[place][0]
    match rng.randrange(6):
        case 0 | 1:
            fields[place] = (key, value)
        case 2:
            fields.append((key, value))
        case 3:
            fields.pop(place)
        case 4:
            rng.shuffle(fields)
        case _:
            fields.insert(place, (rng.choice(KEYS), value))
    return fields


def with_other_digits(value: Any, rng: random.Random) -> Any:
    """The same event at another time, with other ids."""
    if isinstance(value, Fields):
        return Fields((key, with_other_digits(item, rng)) for key, item in value)
    if isinstance(value, Number) and re.fullmatch(r"\d{2,}(\.\d{3})?", value):
        return Number(value[:-1] + str(rng.randrange(10)))
    return value


class Expected(NamedTuple):
    rows: list[Row]
    counts: Counter[str]
    skipped: int


def expect(events: list[Any]) -> Expected:
    found = Expected([], Counter(), 0)
    for event in events:
        fields = dict(event) if isinstance(event, Fields) else None
        if fields is None:
            found = found._replace(skipped=found.skipped + 1)
            continue
        category = fields.get("cat", "")
        category = canonical(category) if type(category) is str else ""
        kind = fields.get("ph", "")
        if kind != "X" or isinstance(kind, Number):
            found.counts[category or (f"(ph {kind})" if kind and type(kind) is str else "(no ph)")] += 1
        elif (row := expected_row(fields, category)) is not None:
            found.rows.append(row)
            found.counts[category or "(no category)"] += 1
        else:
            found = found._replace(skipped=found.skipped + 1)
    return found


def expected_row(fields: dict[str, Any], category: str) -> Row | None:
    start, duration = nanoseconds(fields.get("ts")), nanoseconds(fields.get("dur"))
    pid, tid = thread_part(fields.get("pid", Number(0))), thread_part(fields.get("tid", Number(0)))
    name, args = fields.get("name", ""), fields.get("args")
    args = Fields() if args is None or args == [] else args
    named = category in HAVE_IDS
    if start is None or duration is None or pid is None or tid is None or type(name) is not str:
        return None
    if named and not isinstance(args, Fields):
        return None
    ids = dict(args) if named else {}
    external = ids.get("External id") if ids.get("External id") is not None else ids.get("external id")
    correlation = ids.get("correlation") if category in LAUNCHED else None
    nbytes = ids.get("bytes") if category in ("gpu_memcpy", "gpu_memset") else None
    numbers = (identity(external, 0), identity(correlation, 0), identity(nbytes, -1))
    return Row(category, name, pid, tid, start, duration, *numbers, args="")


def nanoseconds(value: Any) -> int | None:
    if value is None or isinstance(value, (bool, list)):
        return None
    try:
        number = Decimal(value.strip()) * 1000
    except DecimalException:
        return None
    return round(number) if number.is_finite() and abs(number) < ID_LIMIT else None


def integer(text: str) -> int | None:
    """As JSON decoders do: exact within 64 bits, a float beyond."""
    if re.fullmatch(r"-?\d+", text) and -(1 << 63) <= int(text) < 1 << 64:
        return int(text)
    return int(float(text)) if float(text).is_integer() else None


def thread_part(value: Any) -> int | str | None:
    if isinstance(value, Number):
        number = integer(value)
        return number if number is not None and abs(number) < THREAD_LIMIT else None
    return value if isinstance(value, str) else None


def identity(value: Any, default: int) -> int:
    if not isinstance(value, str):
        return default
    is_id = isinstance(value, Number) or (value.isdigit() and value.isascii() and len(value) < 19)
    number = integer(value) if is_id else None
    return number if number is not None and abs(number) < ID_LIMIT else default


@pytest.fixture(scope="module")
def events() -> list[Fields]:
    text = TRACE.read_text()
    found: list[Fields] = dict(load(text))["traceEvents"]
    return [event for event in found if dict(event)["ph"] not in ("M", "i")]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", range(60))
def test_an_edited_event_means_what_json_says(
    seed: int, layout: str, events: list[Fields], tmp_path: Path
) -> None:
    rng = random.Random(seed)
    some = [edited(rng.choice(events), rng) for _ in range(5)] + [rng.choice(events)]
    repeated: list[Any] = [with_other_digits(event, rng) for _ in range(4) for event in some]
    rng.shuffle(repeated)
    repeated.insert(rng.randrange(len(repeated)), rng.choice([Number("5"), "x", None, [], [some[0]]]))
    expected = expect(repeated)
    body = LAYOUTS[layout].after_event.join(write(event, LAYOUTS[layout]) for event in repeated)
    raw = read_text('{"schemaVersion": 1, "traceEvents": [' + body + "]}", tmp_path)
    assert [row._replace(args="") for row in rows_of(raw)] == expected.rows
    assert raw.counts == expected.counts
    assert (raw.skipped, raw.salvaged) == (expected.skipped, False)
