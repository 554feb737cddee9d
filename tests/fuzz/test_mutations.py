"""Real traces, damaged in every way thought of: read or refused in one line, no event lost unseen."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.invariants import RunStructure, analyze_and_render, check, examples, read_and_attribute
from tests.fuzz.mutations import MUTATIONS, Input
from tests.fuzz.seeds import Seed, cut_out, shared_seeds

INPUTS: dict[RunStructure, int] = {read_and_attribute: examples(100), analyze_and_render: examples(20)}
"""For each mutation; the whole analysis with all its renderings takes ten times as long.
`python -m benchmarks.fuzz` tries others for as long as one likes."""
ALWAYS_READ = {"flip_bits", "edit_lines", "nasty_values", "bad_text", "other_json"}


@pytest.fixture(scope="module")
def seeds(cpu_trace: Path) -> list[Seed]:
    rng = random.Random(2026)
    return [*shared_seeds(rng), cut_out(cpu_trace, rng), cut_out(cpu_trace, rng)]


def test_the_pieces_themselves_are_whole_traces(seeds: list[Seed], tmp_path: Path) -> None:
    for seed in seeds:
        n = len(seed.events)
        assert n > 10
        assert check(read_and_attribute, tmp_path / "trace.json", Input(seed.data(), n, n))


@pytest.mark.parametrize("pipeline", INPUTS)
@pytest.mark.parametrize("name", MUTATIONS)
def test_damage_is_survived_and_counted(
    name: str, pipeline: RunStructure, seeds: list[Seed], tmp_path: Path
) -> None:
    read = 0
    for number in range(INPUTS[pipeline]):
        rng = random.Random(f"{pipeline.__name__} {name} {number}")
        given = MUTATIONS[name](rng, rng.choice(seeds))
        try:
            read += check(pipeline, tmp_path / "trace.json", given)
        except Exception as error:
            raise AssertionError(f"{name} {number}: {type(error).__name__}: {error}") from error
    assert read == INPUTS[pipeline] if name in ALWAYS_READ else read > INPUTS[pipeline] / 2
