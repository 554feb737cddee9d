"""What a card can do at most: as measured on it, as a user's file says, or as its maker states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from sdtrace.errors import UsageError
from sdtrace.model.work import Peaks
from sdtrace.roofline.cards import DTYPES, Card, card_table, find_card

MEASURED: Final = "measured on this card by sdtrace"
"""The `origin` of peaks that the collector wrote into a trace."""

FIGURES: Final = (
    "memory_bytes_per_s",
    "l2_bytes",
    "l2_bytes_per_s",
    "launch_us",
    "graph_gap_us",
    "pcie_bytes_per_s",
    "nvlink_bytes_per_s",
)
"""The fields of `Peaks` that are one number, in the order in which they are shown."""


def find_peaks(
    device_name: str | None,
    measured: Mapping[str, Any] | None = None,
    given: Path | None = None,
    properties: Mapping[str, Any] | None = None,
) -> Peaks | None:
    """The peaks to hold a trace against; None where nothing is known about its card.

    What was measured on the card (`peaks` in the facts of the trace's run) wins over the table of cards. Each
    figure of the file `given` wins over both. `properties` is the device's entry in the trace's
    `deviceProperties`, which tells apart what `device_name` does not.

    Raises:
        UsageError: the file cannot be read, holds something else, or alone does not suffice.

    >>> peaks = find_peaks("NVIDIA H100 80GB HBM3")
    >>> peaks.source, peaks.flops_per_s["bfloat16"], peaks.memory_bytes_per_s
    ('datasheet', 989400000000000.0, 3352000000000.0)
    """
    name = device_name or str((properties or {}).get("name") or "")
    card = find_card(name, properties)
    known = _measured(measured, name) or (_stated(card) if card else None)
    return _given(given, known, name) if given else known


def _stated(card: Card) -> Peaks:
    sources = card_table().source
    figures = {name: getattr(card, name, None) for name in FIGURES}
    origin = "; ".join(sources[key].title for key in card.sources)
    return msgspec.convert(
        {
            **figures,
            "card": card.card,
            "source": "datasheet",
            "origin": origin,
            "flops_per_s": card.flops_per_s,
        },
        Peaks,
    )


def _measured(facts: Mapping[str, Any] | None, name: str) -> Peaks | None:
    """What a trace's facts say, as far as they make sense: a trace may hold anything."""
    if not isinstance(facts, Mapping):
        return None
    rates = facts.get("flops_per_s")
    flops = dict(_numbers(rates, DTYPES)) if isinstance(rates, Mapping) else {}
    figures = dict(_numbers(facts, FIGURES))
    if not flops or "memory_bytes_per_s" not in figures:
        return None
    return _peaks(figures, flops, card=str(facts.get("card") or name), source="measured", origin=MEASURED)


def _given(path: Path, known: Peaks | None, name: str) -> Peaks:
    from sdtrace.roofline.peaks_file import read_peaks  # noqa: PLC0415  # only where a file is given

    file = read_peaks(path)
    figures = {key: getattr(known, key, None) for key in FIGURES} | file.figures
    flops = {**(known.flops_per_s if known else {}), **file.flops_per_s}
    if not flops or figures["memory_bytes_per_s"] is None:
        missing = "memory_bytes_per_s" if flops else "[flops_per_s]"
        raise UsageError(
            f"{path}: {missing} is missing, and nothing else is known about {name or 'this device'}: add it"
        )
    rest = f"; what it does not name: {known.origin}" if known else ""
    card = file.card or (known.card if known else name)
    return _peaks(figures, flops, card=card, source="given", origin=f"{path.name}{rest}")


def _peaks(figures: Mapping[str, float | None], flops: Mapping[str, float], **words: str) -> Peaks:
    l2_bytes = figures.get("l2_bytes")
    whole = {"l2_bytes": None if l2_bytes is None else round(l2_bytes)}
    return msgspec.convert({**figures, **whole, **words, "flops_per_s": dict(flops)}, Peaks)


def _numbers(values: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Names and values that are positive numbers below 1e24, above which no card of this world is."""
    for name in names:
        value = values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e24:
            yield name, float(value)
