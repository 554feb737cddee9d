"""Shipped traces in every layout: each is read as the standard library reads the original."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sdtrace.analysis import Options
from sdtrace.analysis.trace_report import analyze
from sdtrace.reader.columns import EventColumns
from tests.reader.decoder import Plain, decode, read_text, rows_of

TRACES = Path(__file__).parents[2] / "traces"
NAMES = sorted(path.name for path in TRACES.glob("h200-*.json*") if ".keyavg." not in path.name)
EVENTS = 3000
_EXACT = re.compile(r'"\\u0001([^"]*)"')
_IN_ARGS = re.compile(r'"External id"')


def shipped(name: str) -> str:
    """The beginning of a trace, closed as a whole file."""
    opened: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".json": open}
    with opened[Path(name).suffix](TRACES / name, "rb") as file:
        text: str = file.read(EVENTS * 300).decode("utf-8", "replace")
    return text[: text.rindex("\n  },\n")] + '\n  }\n  ], "traceName": "x"}'


def dumps(value: Any, **layout: Any) -> str:
    """JSON with the decimals of the file, which floats would shorten."""
    return _EXACT.sub(r"\1", json.dumps(value, **layout))


def moved(event: dict[str, Any], last: str) -> dict[str, Any]:
    """The event with one of its fields last."""
    return {key: event[key] for key in event if key != last} | {
        key: event[key] for key in event if key == last
    }


def each(document: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    return document | {"traceEvents": [change(event) for event in document["traceEvents"]]}


def lines(document: Any, between: Callable[[int], str]) -> str:
    """One event after the other, with a text of one's own between them."""
    events = [dumps(event) for event in document.pop("traceEvents")]
    body = "".join(
        event + ("," + between(n) if n < len(events) - 1 else "") for n, event in enumerate(events)
    )
    return dumps(document)[:-1] + ', "traceEvents": [' + body + "]}"


LAYOUTS: dict[str, Callable[[Any], str]] = {
    "compact": lambda document: dumps(document, separators=(",", ":")),
    "indented": lambda document: dumps(document, indent=2),
    "tabs, CRLF": lambda document: dumps(document, indent="\t").replace("\n", "\r\n"),
    "sorted keys": lambda document: dumps(document, sort_keys=True),
    "reversed keys": lambda document: dumps(each(document, lambda e: dict(reversed(e.items())))),
    "a duration after the arguments": lambda document: dumps(
        each(document, lambda e: moved(e, "dur")), indent=1
    ),
    "two events on a line": lambda document: lines(document, lambda n: "\n" if n % 2 else " "),
    "no break anywhere": lambda document: lines(document, lambda _: ""),
    "escaped keys": lambda document: _IN_ARGS.sub(r'"External\\u0020id"', dumps(document)),
    "more events in a later array": lambda document: dumps(
        document | {"samples": document["traceEvents"][:50]}, indent=2
    ),
    "a first value given twice": lambda document: dumps(document).replace(
        '"ph": "X", ', '"ts": 1, "ph": "X", '
    ),
}


@pytest.fixture(scope="module", params=NAMES)
def original(request: pytest.FixtureRequest) -> tuple[str, Plain]:
    text = shipped(request.param)
    return text, decode(text)


def assert_same(text: str | bytes, plain: Plain, folder: Path) -> None:
    raw = read_text(text, folder)
    assert rows_of(raw) == plain.rows
    assert raw.counts == plain.counts
    assert raw.memory == plain.memory
    assert (raw.skipped, raw.salvaged) == (0, False)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_shipped_trace_is_the_same_in_every_layout(
    layout: str, original: tuple[str, Plain], tmp_path: Path
) -> None:
    text, plain = original
    assert len(plain.rows) > 100
    document = json.loads(text, parse_float=lambda number: "\x01" + number, strict=False)
    assert_same(LAYOUTS[layout](document), plain, tmp_path)


def test_a_shipped_trace_is_the_same_in_tiny_members(original: tuple[str, Plain], tmp_path: Path) -> None:
    text, plain = original
    pieces = re.findall(r"[^\n]*\n?", text)
    assert_same(b"".join(gzip.compress(piece.encode(), 1) for piece in pieces), plain, tmp_path)


@pytest.mark.parametrize("name", ["h200-fp32_eager.json", "h200-bf16_sdpa_cudagraphs.json"])
@pytest.mark.parametrize("layout", ["compact", "reversed keys"])
def test_the_whole_report_is_the_same(name: str, layout: str, tmp_path: Path) -> None:
    text = (TRACES / name).read_text()
    document = json.loads(text, parse_float=lambda number: "\x01" + number, strict=False)
    path = tmp_path / name
    path.write_text(LAYOUTS[layout](document))
    options = Options.of(phase=None, op_times="true", rules=None)
    expected, found = (msgspec.to_builtins(analyze(file, options)) for file in (TRACES / name, path))
    assert len(expected["ops"]) > 10
    for report in (expected, found):
        report["path"] = ""
        for item in report["findings"]:
            item["verify"] = item["verify"].replace(str(path), "").replace(str(TRACES / name), "")
    assert found == expected


def test_the_comparison_covers_every_column() -> None:
    assert EventColumns._fields == (
        "key", "start_ns", "dur_ns", "external_id", "correlation", "nbytes", "args",
    )  # fmt: skip
