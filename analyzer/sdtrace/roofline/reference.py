"""Print the page of cards: `python -m sdtrace.roofline.reference > docs/peaks.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from sdtrace.roofline.cards import DTYPES, Card, card_table
from sdtrace.units import MISSING, size

_HEAD: Final = """# What a card can do at most

A rate means something only beside what the card can do at most: its peaks. sdtrace takes them from the
first of these that there is:

1. **A file of yours**: TOML, given with `--peaks FILE`. A figure that it does not name comes from the next
   source.
2. **The trace**: `sdtrace collect` measures the card after each run on a GPU (`--no-peaks` leaves it out)
   and writes the result into the trace, as `peaks` in the facts of the run. It does so after everything
   that is timed and counted.
3. **The table below**: what the makers state. A trace's card is found by its name and its number of
   multiprocessors; a part of a card (MIG) or a laptop's is not in it.

## Measure a card

<!-- needs: a GPU -->
```sh
sdtrace peaks                 # some 5 seconds; prints each figure, and its share of the table's
sdtrace peaks -o card.toml    # the same, as a file for --peaks
sdtrace peaks --json
```

A file looks like this; every name is optional:

```toml
card = "my card"
memory_bytes_per_s = 1.9e12   # bytes read and written, per second
l2_bytes = 41_943_040         # size of the last cache before memory
l2_bytes_per_s = 5.5e12       # bytes read and written in that cache, per second
launch_us = 2.8               # CPU time per launched kernel, microseconds
graph_gap_us = 1.3            # GPU time per empty kernel of a CUDA graph, microseconds
pcie_bytes_per_s = 25e9       # copies to or from the host, the faster direction
nvlink_bytes_per_s = 250e9    # copies to another GPU

[flops_per_s]                 # dense matrix products, by type of the operands
float32 = 19.5e12             # without tensor cores; tf32 with them
tf32 = 156e12
float16 = 312e12
```

How each is measured: **products** of square matrices of normal values with 1,024 to 8,192 rows, the fastest
of 40; float8 through `torch._scaled_mm`, int8 through `torch._int_mm`. **Memory** by copies, sums,
additions and fills of 1 GiB, the fastest of 24. **Cache** by additions and negations on a quarter and on
half of it, in CUDA graphs: the difference, so that what a kernel takes to start and end does not count.
**Copies** of 128 MiB, pinned.

Measured rates are below those of the table: a card lowers its clock under load, and no kernel is perfect. A
card that boosts above the clock of its datasheet, as GeForce cards do, can exceed the table by some
percent: measure it.

## The table

TFLOP/s (int8: TOP/s) of dense work, without sparsity. Products of float16, bfloat16 and float8 sum up in
float32, as torch's do; GeForce cards are twice as fast in float16 and float8 where they sum up in float16.
Memory and cache in TB/s; links in GB/s, one direction; 1 MiB of cache is 2^20 bytes. A dash: not published,
or the card lacks it.
"""


def text() -> str:
    """The page as Markdown, with a newline at its end."""
    return "\n".join(
        [_HEAD, *_rates(), "", *_bytes(), "", "## Notes and sources", "", *_notes(), "", *_sources(), ""]
    )


def _rates() -> Iterator[str]:
    yield f"| card | {' | '.join(DTYPES)} |"
    yield f"|---|{'---:|' * len(DTYPES)}"
    for card in card_table().card:
        yield f"| {card.card} | {' | '.join(_figure(card.flops_per_s.get(name), 1e12) for name in DTYPES)} |"


def _bytes() -> Iterator[str]:
    yield "| card | memory | cache size | cache | PCIe | NVLink | known by |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for card in card_table().card:
        figures = (
            _figure(card.memory_bytes_per_s, 1e12),
            size(card.l2_bytes),
            _figure(card.l2_bytes_per_s, 1e12),
            _figure(card.pcie_bytes_per_s, 1e9),
            _figure(card.nvlink_bytes_per_s, 1e9),
        )
        yield f"| {card.card} | {' | '.join(figures)} | {_names(card)} |"


def _names(card: Card) -> str:
    names = ", ".join(f"`{name}`".replace("|", "\\|") for name in card.names)
    return f"{names}; {card.sms} multiprocessors" if card.sms else names


def _notes() -> Iterator[str]:
    for card in card_table().card:
        note = f" {card.note}" if card.note else ""
        yield f"- **{card.card}**: {', '.join(f'[{key}](#{key})' for key in card.sources)}.{note}"


def _sources() -> Iterator[str]:
    for key, source in card_table().source.items():
        title = f"[{source.title}]({source.url})" if source.url else source.title
        yield f'- <a id="{key}"></a>`{key}`: {title}'


def _figure(value: float | None, scale: float) -> str:
    return MISSING if value is None else f"{value / scale:,.5g}"


if __name__ == "__main__":
    sys.stdout.write(text())
