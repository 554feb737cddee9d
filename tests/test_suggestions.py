"""A mistyped name gets the nearest valid one."""

from __future__ import annotations

import pytest

from sdtrace.suggestions import did_you_mean

_VARIANTS = ("fp32_eager", "bf16", "bf16_sdpa", "bf16_sdpa_eager", "fastest")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bf16_spda", "bf16_sdpa"),
        ("fp32_eagr", "fp32_eager"),
        ("fastset", "fastest"),
        ("bf17", "bf16"),
        ("BF16", "bf16"),
    ],
)
def test_the_nearest_name_is_suggested(typed: str, meant: str) -> None:
    assert did_you_mean(typed, _VARIANTS) == f" (did you mean {meant!r}?)"


@pytest.mark.parametrize("typed", ["", "xyzzy", "\x1b[31m"])
def test_nothing_is_suggested_where_nothing_is_near(typed: str) -> None:
    assert did_you_mean(typed, _VARIANTS) == ""
