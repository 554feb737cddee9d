"""Ways to damage a trace, each with how many events can be told to be in what comes out."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tests.fuzz.seeds import Seed


class Input(NamedTuple):
    """A damaged trace: its bytes, and the smallest and largest number of events it may be said to hold."""

    data: bytes
    least: int
    most: int
    is_cut: bool = False
    """The reader must notice that the file ends too early."""


Mutation = Callable[[random.Random, Seed], Input]

_NASTY: Final = (
    "NaN", "Infinity", "-Infinity", "-1", "-5.5", "0", "-0.0", "1e308", "1e999", "1E9999999",
    "-1e-9999999", "0.0000000004", "1.5", "true", "false", "null", '""', '"x"', '"1.5"', '"-3"', '"NaN"',
    '"1_0"', "[]", "{}", "[[]]", "[1,2]", '{"a":[{}]}', r'"\ud800"', r'"\u0000"', r'"\udc00\ud800"',
    r'"a\"b"', r'"\u202e"', "4611686018427387904", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "-9223372036854775808", "1125899906842624", "1125899906842.623",
    "4503599627370496", "1e15", "123456789012345678.901", "00012", "1.", ".5", "-", "+", "0x10", "'",
    '"', "{", "[", "}", "]",
)  # fmt: skip
_HUGE: Final = (
    "1" + "0" * 400,
    "9" * 5000,
    "[" * 3000,
    "[" * 3000 + "]" * 3000,
    '"' + "x" * 9000 + '"',
    "{" * 500,
)
_VALUE: Final = re.compile(rb'(": ?)("(?:[^"\\\n]|\\.)*"|[^\s,{}\[\]]+)')
_EVENT_KEYS: Final = ("ph", "cat", "name", "pid", "tid", "ts", "dur", "args")


def _exact(seed: Seed) -> Input:
    return Input(seed.data(), len(seed.events), len(seed.events))


def _nasty(rng: random.Random) -> bytes:
    return rng.choice(_HUGE if rng.random() < 0.05 else _NASTY).encode()


def _replace_one(rng: random.Random, seed: Seed, change: Callable[[bytes], bytes]) -> Seed:
    events = list(seed.events)
    place = rng.randrange(len(events))
    events[place] = change(events[place])
    return seed.with_events(events)


def truncate(rng: random.Random, seed: Seed) -> Input:
    data, ends = seed.data(), seed.ends()
    at = rng.choice((rng.randrange(len(data)), rng.choice(ends) + rng.randint(-3, 6)))
    whole = sum(end <= at for end in ends)
    return Input(data[:at], whole, whole, is_cut=at < len(data.rstrip()))


def flip_bits(rng: random.Random, seed: Seed) -> Input:
    data = bytearray(seed.data())
    flips = rng.choice((1, 1, 1, 2, 5, 30))
    for _ in range(flips):
        data[rng.randrange(len(seed.head), len(data) - len(seed.tail))] ^= 1 << rng.randrange(8)
    return Input(bytes(data), len(seed.events) - flips, len(seed.events) + flips)


def flip_bits_anywhere(rng: random.Random, seed: Seed) -> Input:
    data = bytearray(seed.data())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    # A lost brace leaves three pieces of one event: what was before `args`, `args` itself, what comes after.
    return Input(bytes(data), 0, len(seed.events) + 2)


def edit_lines(rng: random.Random, seed: Seed) -> Input:
    lines = b",\n".join(seed.events).split(b"\n")
    at = rng.randrange(len(lines))
    kind = rng.choice(("delete", "repeat", "swap", "blank"))
    if kind == "delete":
        del lines[at]
    elif kind == "repeat":
        lines.insert(at, lines[at])
    elif kind == "blank":
        lines.insert(at, b"")
    else:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    n = len(seed.events)
    return Input(seed.head + b"\n".join(lines) + seed.tail, n - 4, n + 4)


def edit_events(rng: random.Random, seed: Seed) -> Input:
    events = list(seed.events)
    kind = rng.choice(("shuffle", "repeat", "delete", "reverse", "one_category", "not_events"))
    if kind == "shuffle":
        rng.shuffle(events)
    elif kind == "repeat":
        events += rng.choices(events, k=rng.randint(1, 40))
    elif kind == "delete":
        events = rng.sample(events, rng.randint(0, len(events)))
    elif kind == "reverse":
        events.reverse()
    elif kind == "one_category":
        category = re.search(rb'"cat": "[^"]*"', rng.choice(events))
        events = [event for event in events if category is None or category[0] in event]
    else:
        events.insert(
            rng.randrange(len(events)), rng.choice((b"1", b"null", b'"x"', b"[]", b"{}", b"[{}]", b"-"))
        )
    return _exact(seed.with_events(events))


def nasty_values(rng: random.Random, seed: Seed) -> Input:
    """Values of any key replaced by literals of the wrong kind or size."""

    def change(event: bytes) -> bytes:
        found = list(_VALUE.finditer(event))
        if not found:
            return event
        chosen = rng.choice(found)
        return event[: chosen.start(2)] + _nasty(rng) + event[chosen.end(2) :]

    changes = rng.choice((1, 1, 2, 8))
    for _ in range(changes):
        seed = _replace_one(rng, seed, change)
    n = len(seed.events)
    return Input(seed.data(), n - changes, n + changes)


def bad_text(rng: random.Random, seed: Seed) -> Input:
    """Bytes that are no UTF-8, raw control characters and quotes inside names."""
    dirt = rng.choice(
        (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x01", b"\t", b'"', b'"hi"', b"\\", b"\xf0\x9f")
    )

    def change(event: bytes) -> bytes:
        at = event.find(b'"name": "')
        return event if at < 0 else event[: at + 9] + dirt + event[at + 9 :]

    seed = _replace_one(rng, seed, change)
    return Input(seed.data(), len(seed.events) - 1, len(seed.events) + 1)


def other_json(rng: random.Random, seed: Seed) -> Input:
    """The same events after damage to the values, written in another layout; valid JSON."""
    events: list[Any] = [json.loads(event.decode("utf-8", "replace"), strict=False) for event in seed.events]
    for _ in range(rng.choice((0, 1, 3, 10))):
        event = rng.choice(events)
        if isinstance(event, dict):
            _spoil(rng, event)
    if rng.random() < 0.1:
        events[rng.randrange(len(events))] = rng.choice((None, 5, "x", [], [{}], True))
    document = (
        events if rng.random() < 0.3 else {"traceName": "x", "traceEvents": events, "after": [{"name": 1}]}
    )
    indent = rng.choice((None, 0, 1, 2, 4))
    text = json.dumps(document, indent=indent, separators=rng.choice(((",", ":"), (", ", ": "))))
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    data = text.encode()
    return Input(b"\xef\xbb\xbf" + data if rng.random() < 0.2 else data, len(events), len(events))


def _spoil(rng: random.Random, event: dict[str, Any]) -> None:
    inside = event.get("args")
    target = inside if isinstance(inside, dict) and inside and rng.random() < 0.5 else event
    key = rng.choice(list(target) or ["name"])
    kind = rng.choice(("drop", "value", "value", "value", "add", "nest"))
    if kind == "drop":
        target.pop(key, None)
    elif kind == "nest":
        value: Any = 0
        for _ in range(rng.choice((3, 200, 900))):
            value = [value] if rng.random() < 0.5 else {"a": value}
        target[key] = value
    else:
        target[rng.choice(_EVENT_KEYS) if kind == "add" else key] = rng.choice(_SPOILED)


_SPOILED: Final[tuple[Any, ...]] = (
    float("nan"), float("inf"), -float("inf"), -1, -2.5, 0, 1e308, 1e300, 10**30, 10**400, 2**62, 2**63,
    2**64, -(2**63), True, None, "", "x", "\ud800", "\x00", "1.25", "18446744073709551616", [], {},
    [[1, 2], [3]], [[10**18, 10**18], [10**18, 3]], [[-1, 0], [0, -1]], ["", "[1]", "[0]"], {"name": "x"},
    0.1 + 0.2, 5e-324,
)  # fmt: skip

MUTATIONS: Final[dict[str, Mutation]] = {
    function.__name__: function
    for function in (
        truncate,
        flip_bits,
        flip_bits_anywhere,
        edit_lines,
        edit_events,
        nasty_values,
        bad_text,
        other_json,
    )
}
