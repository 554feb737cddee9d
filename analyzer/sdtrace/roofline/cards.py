"""The table of cards (`cards.toml`): what their makers say they can do, and how a trace shows which it is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

DTYPES: Final = ("float64", "float32", "tf32", "bfloat16", "float16", "float8", "int8", "float4")
"""Types of operands that have a rate of their own. `float32` is without tensor cores, `tf32` with them."""
_TABLE: Final = Path(__file__).with_name("cards.toml")
_NAMELESS: Final = frozenset({"", "AMD Radeon Graphics"})
"""What some versions of ROCm call a card whose name they do not know."""
_OWN_MEMORY: Final = (0.88, 1.03)
"""A device shows less memory than its card has: ECC and the driver keep some. Seen: 0.91 (T4) to 0.997."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that figures are from."""

    title: str
    url: str | None = None


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A card's peaks, of dense work at its boost clock. Rates are per second, links of one direction.

    `names` match the whole name that torch gives the device; `sms` counts its multiprocessors.
    """

    card: str
    names: list[str]
    sources: list[str]
    flops_per_s: dict[str, float]
    memory_bytes_per_s: float
    l2_bytes: int
    sms: int | None = None
    memory_gib: int | None = None
    l2_bytes_per_s: float | None = None
    pcie_bytes_per_s: float | None = None
    nvlink_bytes_per_s: float | None = None
    note: str | None = None

    def is_called(self, name: str) -> bool:
        """Whether torch gives this card that name."""
        return any(re.fullmatch(pattern, name) for pattern in self.names)

    def has_memory(self, device_bytes: float) -> bool:
        """Whether a device that shows so many bytes may be this card."""
        low, high = (self.memory_gib * part * 2**30 for part in _OWN_MEMORY) if self.memory_gib else (0, 0)
        return low <= device_bytes <= high


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cards, and the documents that they name in `sources`."""

    source: dict[str, Source]
    card: list[Card]


@cache
def card_table() -> Table:
    """The table that sdtrace ships."""
    return msgspec.convert(tomllib.loads(_TABLE.read_text(encoding="utf-8")), Table)


def find_card(name: str, properties: Mapping[str, Any] | None = None) -> Card | None:
    """The card of this name; None where the table has none, or more than one that cannot be told apart.

    `properties` is a device's entry in `deviceProperties` of a trace. Its `numSms` must be the card's: a part
    of a card (MIG, a partition) can do less. Where ROCm gives no name, units and memory decide.

    >>> find_card("NVIDIA H100", {"numSms": 114}).card
    'H100 PCIe'
    """
    known = properties or {}
    sms, memory = known.get("numSms"), known.get("totalGlobalMem")
    nameless = name in _NAMELESS and sms is not None
    found = [card for card in card_table().card if card.is_called(name) or (nameless and _is_amd(card))]
    if isinstance(sms, int):
        found = [card for card in found if card.sms in (None, sms)]
    if isinstance(memory, int) and (nameless or len(found) > 1):
        found = [card for card in found if card.has_memory(memory)]
    return found[0] if len(found) == 1 else None


def _is_amd(card: Card) -> bool:
    return card.names[0].startswith("AMD")
