"""Peaks in a TOML file: written by `sdtrace peaks -o FILE.toml`, or by hand, read by `--peaks FILE`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from sdtrace.errors import UsageError
from sdtrace.roofline.cards import DTYPES
from sdtrace.roofline.peaks import FIGURES
from sdtrace.suggestions import did_you_mean

_WORDS: Final = ("card", "source", "origin")
_HEAD: Final = """\
# What a card can do at most. Rates are per second, of dense work; links count one direction.
# Give this file to sdtrace with --peaks. Every figure may be left out: it is then the one that sdtrace knows.
"""


class PeaksFile(NamedTuple):
    """What a file says: a card's name or None, and the figures that it has, in the units of `Peaks`."""

    card: str | None
    flops_per_s: dict[str, float]
    figures: dict[str, float]


def read_peaks(path: Path) -> PeaksFile:
    """The peaks in a TOML file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or has a name or a value that no peak has.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the peaks: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not TOML: {error}; `sdtrace peaks -o {path.name}` writes such a file"
        ) from error
    _check_names(path, content, (*_WORDS, "flops_per_s", *FIGURES), "name")
    rates = content.get("flops_per_s", {})
    if not isinstance(rates, dict):
        raise UsageError(
            f"{path}: flops_per_s is not a table: write [flops_per_s] and below it float16 = 1e14"
        )
    _check_names(path, rates, DTYPES, "dtype")
    card = content.get("card")
    if card is not None and not isinstance(card, str):
        raise UsageError(f"{path}: card is not a text: write card = 'my card'")
    figures: dict[str, float] = {}
    for name in FIGURES:
        if name in content:
            figures[name] = _number(path, name, content[name])
    return PeaksFile(card, {name: _number(path, name, rate) for name, rate in rates.items()}, figures)


def toml_of(peaks: Mapping[str, object]) -> bytes:
    """Measured peaks, in the layout of a run's facts, as TOML that `read_peaks` reads back.

    >>> print(toml_of({"card": "X", "memory_bytes_per_s": 1e12}).decode().splitlines()[-1])
    memory_bytes_per_s = 1000000000000.0
    """
    rates = peaks.get("flops_per_s")
    lines = [f"{name} = {json.dumps(peaks[name])}" for name in ("card", *FIGURES) if peaks.get(name)]
    if isinstance(rates, Mapping):
        lines += ["", "[flops_per_s]", *(f"{name} = {rate!r}" for name, rate in rates.items())]
    return (_HEAD + "\n" + "\n".join(lines) + "\n").encode()


def _check_names(path: Path, found: Iterable[str], known: tuple[str, ...], kind: str) -> None:
    for name in found:
        if name not in known:
            raise UsageError(
                f"{path}: unknown {kind} {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
            )


def _number(path: Path, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e24:
        raise UsageError(f"{path}: {name} is not a positive number: write for instance {name} = 1.5e12")
    return float(value)
