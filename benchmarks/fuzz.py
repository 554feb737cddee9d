"""Damage traces for as long as told and see that none breaks the analyzer.

    python -m benchmarks.fuzz --minutes 30 [--whole]

Prints totals; exits with 1 and the damaged file kept when an input broke an invariant of tests/fuzz.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from tests.attribution.recipes import export
from tests.fuzz.invariants import RunStructure, analyze_and_render, check, read_and_attribute
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.seeds import Seed, cut_out, shared_seeds

SEEDS_EVERY = 5_000
"""Inputs after which new pieces are cut out of the traces."""


def fuzz(pipeline: RunStructure, minutes: float, first: int, folder: Path) -> int:
    """Try inputs until the time is up; the number of failures."""
    export("everything", folder / "torch.json")
    read: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    failures = 0
    seeds: list[Seed] = []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        number = first + sum(tried.values())
        rng = random.Random(number)
        if not seeds or number % SEEDS_EVERY == 0:
            seeds = [*shared_seeds(rng), cut_out(folder / "torch.json", rng)]
        name = rng.choice(list(MUTATIONS))
        given = MUTATIONS[name](rng, rng.choice(seeds))
        tried[name] += 1
        try:
            read[name] += check(pipeline, folder / "input.json", given)
        except Exception:  # noqa: BLE001  # whatever breaks is what is looked for
            failures += 1
            kept = Path(f"fuzz_{name}_{number}.json")
            kept.write_bytes(given.data)
            print(f"{name} {number}: kept as {kept}\n{traceback.format_exc()}", file=sys.stderr)
    for name, inputs in sorted(tried.items()):
        print(f"{name:20} {inputs:>9,} inputs {read[name]:>9,} read {inputs - read[name]:>7,} refused")
    print(f"{'total':20} {tried.total():>9,} inputs {read.total():>9,} read, {failures} failures")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first input; a run repeats exactly"
    )
    parser.add_argument("--whole", action="store_true", help="analyze and render too: ten times slower")
    options = parser.parse_args()
    pipeline = analyze_and_render if options.whole else read_and_attribute
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        return 1 if fuzz(pipeline, options.minutes, options.first, Path(folder)) else 0


if __name__ == "__main__":
    sys.exit(main())
