"""The table of cards: whole, sane, and known by the names that real traces have."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sdtrace.roofline import reference
from sdtrace.roofline.cards import DTYPES, Card, card_table, find_card
from tests.shared import shared_trace

CARDS = {card.card: card for card in card_table().card}
REQUIRED = {
    "H100": ("SXM", "PCIe", "NVL"),
    "A100": ("40 GB SXM", "80 GB SXM", "40 GB PCIe", "80 GB PCIe"),
    "V100": ("SXM", "PCIe"),
    "RTX": (
        "3060",
        "3070",
        "3080",
        "3090",
        "4060",
        "4070",
        "4070 Ti",
        "4080",
        "4090",
        "5060",
        "5070",
        "5070 Ti",
        "5080",
        "5090",
        "A6000",
        "6000 Ada",
    ),
    "": ("H200", "B200", "GB200", "L40S", "L4", "A10", "T4", "MI250X", "MI300X", "MI325X", "MI355X"),
}
SHARED = {
    "reference/fp32_eager": "H200",
    "third_party/hta_cudagraph_training_a100": "A100 80 GB SXM",
    "third_party/hta_mi250_rocm62_training": "MI250",
    "third_party/hta_ns_resolution_v100": "V100 SXM",
    "third_party/tracelens_torch_compile_triton_mi300x": "MI300X",
    "third_party/tracelens_vllm_decode_graph_rocm": "MI300X",
    "third_party/tracelens_xdit_sd35_mi300x": "MI300X",
    "wild/bytes_eager": "H100 SXM",
    "wild/cfg_parallel.rank1": "H100 SXM",
}
"""Traces that people made, and the card each is of; two of them do not name it."""


def card_of(properties: dict[str, Any]) -> str | None:
    card = find_card(str(properties["name"]), properties)
    return card.card if card else None


def test_the_table_has_every_card_that_people_ask_for() -> None:
    assert {f"{family} {one}".strip() for family, ones in REQUIRED.items() for one in ones} <= set(CARDS)


@pytest.mark.parametrize("name", SHARED)
def test_a_real_trace_tells_its_card(name: str) -> None:
    with gzip.open(shared_trace(f"{name}.json.gz"), "rb") as file:
        found = re.search(rb'"deviceProperties":\s*(\[.*?\])\s*,\s*"', file.read(300_000), re.DOTALL)
    assert found is not None
    assert {card_of(device) for device in json.loads(found[1])} == {SHARED[name]}


def test_the_shipped_traces_are_of_an_h200() -> None:
    path = Path(__file__).parents[2] / "traces" / "h200-fp32_eager.json"
    assert {card_of(device) for device in json.loads(path.read_bytes())["deviceProperties"]} == {"H200"}


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA GB200", "GB200"),
        ("A100-SXM4-40GB", "A100 40 GB SXM"),
        ("NVIDIA A100-PCIE-40GB", "A100 40 GB PCIe"),
        ("NVIDIA A100 80GB PCIe", "A100 80 GB PCIe"),
        ("Tesla T4", "T4"),
        ("Tesla V100-PCIE-16GB", "V100 PCIe"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "RTX 4070 Ti SUPER"),
        ("GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 5090", "RTX 5090"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("AMD Instinct MI250X", "MI250X"),
        ("AMD Instinct MI325X", "MI325X"),
        ("AMD Instinct MI355X", "MI355X"),
    ],
)
def test_a_card_is_known_by_the_name_that_torch_gives_it(name: str, card: str) -> None:
    found = find_card(name)
    assert found is not None
    assert found.card == card


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb",
        "NVIDIA A10G",
        "NVIDIA H100",
        "Quadro P400",
        "",
    ],
)
def test_another_card_is_not_taken_for_one_of_the_table(name: str) -> None:
    assert find_card(name) is None


@pytest.mark.parametrize(
    ("name", "sms", "gib", "card"),
    [
        ("NVIDIA H100", 132, 79, "H100 SXM"),
        ("NVIDIA H100", 114, 79, "H100 PCIe"),
        ("AMD Instinct MI250X / MI250", 104, 64, "MI250"),
        ("", 304, 192, "MI300X"),
        ("", 304, 256, "MI325X"),
        ("AMD Radeon Graphics", 256, 288, "MI355X"),
        ("NVIDIA A100-SXM4-80GB", 42, 40, None),
        ("AMD Instinct MI300X", 38, 24, None),
    ],
)
def test_multiprocessors_and_memory_tell_what_the_name_does_not(
    name: str, sms: int, gib: int, card: str | None
) -> None:
    assert card_of({"name": name, "numSms": sms, "totalGlobalMem": gib * 2**30}) == card


def test_properties_may_hold_anything() -> None:
    assert card_of({"name": "NVIDIA H200", "numSms": "many", "totalGlobalMem": None}) == "H200"


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.card)
def test_the_figures_of_a_card_are_in_the_ratios_that_hardware_has(card: Card) -> None:
    rates = card.flops_per_s
    assert set(rates) <= set(DTYPES)
    assert {"float64", "float32", "float16"} <= set(rates)
    assert rates["float64"] <= rates["float32"] <= rates["float16"]
    assert rates.get("bfloat16", rates["float16"]) == rates["float16"]
    for slower, faster in (("float16", "float8"), ("float8", "float4")):
        if {slower, faster} <= set(rates):
            assert rates[faster] / rates[slower] == pytest.approx(2, rel=0.02) or faster == "float4"
    assert 0.2e12 < card.memory_bytes_per_s < 9e12
    assert card.memory_bytes_per_s < (card.l2_bytes_per_s or 1e14)
    assert card.l2_bytes % 2**20 == 0
    assert set(card.sources) <= set(card_table().source)


def test_every_source_is_used() -> None:
    assert {key for card in CARDS.values() for key in card.sources} == set(card_table().source)


def test_a_geforce_card_does_what_its_cores_do_at_its_boost_clock() -> None:
    cores, boost_hz = 16_384, 2.52e9
    assert CARDS["RTX 4090"].flops_per_s["float32"] == pytest.approx(2 * cores * boost_hz, rel=1e-3)


def test_the_published_page_is_the_current_one() -> None:
    page = Path(__file__).parents[2] / "docs" / "peaks.md"
    assert page.read_text(encoding="utf-8") == reference.text()
