"""The same events, however they are written, packed and handed over."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from sdtrace.reader import read_raw
from tests.reader.decoder import Row, decode, read_text, rows_of
from tests.shared import shared_trace

_EXACT = re.compile(r'"\\u0001([^"]*)"')


def _number(text: str) -> str:
    """Marks a decimal, to be written as it stood: a float would lose its last digits."""
    return "\x01" + text


def dumps(document: Any, **layout: Any) -> str:
    return _EXACT.sub(r"\1", json.dumps(document, **layout))


LAYOUTS: dict[str, Callable[[Any], str]] = {
    "compact": lambda document: dumps(document, separators=(",", ":")),
    "spaced": dumps,
    "array of events": lambda document: dumps(document["traceEvents"], separators=(",", ":")),
    "pretty array": lambda document: dumps(document["traceEvents"], indent=2),
    "indented by 1": lambda document: dumps(document, indent=1),
    "indented by 4": lambda document: dumps(document, indent=4),
    "indented by tabs": lambda document: dumps(document, indent="\t"),
    "CRLF": lambda document: dumps(document, indent=2).replace("\n", "\r\n"),
    "byte order mark": lambda document: "\ufeff" + dumps(document),
    "events first": lambda document: dumps({"traceEvents": document.pop("traceEvents"), **document}),
    "blanks around": lambda document: "\n\n  " + dumps(document, indent=3) + "\n\n\n",
    "keys sorted": lambda document: dumps(document, sort_keys=True),
    "keys reversed": lambda document: dumps(
        {**document, "traceEvents": [dict(reversed(event.items())) for event in document["traceEvents"]]}
    ),
    "no commas between": lambda document: dumps(document).replace('}, {"ph"', '} {"ph"'),
}


@pytest.fixture(scope="module", params=["torch", "h200", "mi250", "v100"])
def original(request: pytest.FixtureRequest, cpu_trace: Path) -> bytes:
    """A whole trace as it was written, or the first events of a big one."""
    if request.param == "torch":
        return cpu_trace.read_bytes()
    name = {
        "h200": "reference/bf16_sdpa_graphs.warm.json.gz",
        "mi250": "third_party/hta_mi250_rocm62_training.json.gz",
        "v100": "third_party/hta_ns_resolution_v100.json.gz",
    }[request.param]
    with gzip.open(shared_trace(name)) as file:
        data = file.read(400_000)
    cut = data.rindex(b"\n  },")
    return data if len(data) < 400_000 else data[:cut] + b'\n  }\n  ], "traceName": "x"}'


@pytest.fixture(scope="module")
def expected(original: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    rows = rows_of(read_text(original, tmp_path_factory.mktemp("original")))
    assert len(rows) > 50
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_does_not_matter(
    layout: str, original: bytes, expected: list[Row], tmp_path: Path
) -> None:
    document = json.loads(original.decode("utf-8", "replace"), parse_float=_number, strict=False)
    raw = read_text(LAYOUTS[layout](document), tmp_path)
    assert rows_of(raw) == expected
    assert (raw.skipped, raw.salvaged) == (0, False)


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:1000]) + gzip.compress(data[1000:])


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "trace.json.gz": gzip.compress,
    "two_members.json.gz": two_members,
    "padded.json.gz": lambda data: gzip.compress(data) + b"\0" * 100,
    "trace.json.zst": zstandard.ZstdCompressor().compress,
    "two_frames.json.zst": lambda data: zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
    "trace.json.xz": lzma.compress,
    "two_streams.json.xz": lambda data: lzma.compress(data[:1000]) + lzma.compress(data[1000:]),
    "compressed_but_not_named_so.json": gzip.compress,
}


@pytest.mark.parametrize("name", PACKED)
def test_the_packing_does_not_matter(name: str, original: bytes, expected: list[Row], tmp_path: Path) -> None:
    raw = read_text(PACKED[name](original), tmp_path, name)
    assert rows_of(raw) == expected
    assert not raw.salvaged


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_standard_input_is_read_from_a_pipe(
    pack: Callable[[bytes], bytes], original: bytes, expected: list[Row]
) -> None:
    script = (
        "from sdtrace.reader import STDIN, read_raw; raw = read_raw(STDIN);"
        "print(len(raw.columns.key), sum(raw.columns.start_ns.tolist()), raw.salvaged)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=pack(original), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == [
        str(len(expected)),
        str(sum(r.start_ns for r in expected)),
        "False",
    ]


def test_blocks_may_end_anywhere(monkeypatch: pytest.MonkeyPatch, original: bytes, tmp_path: Path) -> None:
    """With blocks of a few hundred bytes, cuts fall into every part of an event, in both decoders."""
    path = tmp_path / "trace.json"
    compact = dumps(json.loads(original.decode("utf-8", "replace"), parse_float=_number, strict=False))
    for data in (original[:40_000], compact.encode()[:40_000]):
        path.write_bytes(data)
        expected = read_raw(path)
        for size in (700, 1511, 4096):
            monkeypatch.setattr("sdtrace.reader.streams.BLOCK_BYTES", size)
            raw = read_raw(path)
            monkeypatch.undo()
            assert rows_of(raw) == rows_of(expected)
            assert (raw.counts, raw.skipped) == (expected.counts, expected.skipped)


def test_exponents_are_read_as_decimals_are(tmp_path: Path) -> None:
    durations = ["2e+00", "25E-01", "1.5e-03", "12e0", "7.0E+0001", "3"]
    events = [
        f'{{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":1,"tid":1,"ts":{at}.5e+01,"dur":{dur}}}'
        for at, dur in enumerate(durations * 200, 100)
    ]
    text = '{"traceEvents":[' + ",\n".join(events) + "]}"
    assert rows_of(read_text(text, tmp_path)) == decode(text).rows


def test_the_key_of_the_events_may_have_escapes(original: bytes, expected: list[Row], tmp_path: Path) -> None:
    raw = read_text(original.replace(b'"traceEvents"', b'"tr\\u0061ce\\u0045vents"'), tmp_path)
    assert rows_of(raw) == expected
    assert (raw.skipped, raw.salvaged) == (0, False)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_trace_may_stand_in_an_object_that_a_program_handed_on(
    depth: int, original: bytes, expected: list[Row], tmp_path: Path
) -> None:
    raw = read_text(b'{"a": 1, "data": ' * depth + original.strip() + b', "b": 2}' * depth, tmp_path)
    assert rows_of(raw) == expected
    assert (raw.skipped, raw.salvaged) == (0, False)
