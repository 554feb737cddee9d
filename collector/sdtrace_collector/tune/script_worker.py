"""The process that runs a script for a trial: `python -m sdtrace_collector.tune.script_worker ORDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from sdtrace_collector.script.outside import Outside
from sdtrace_collector.script.plan import Plan
from sdtrace_collector.script.runner import Wanted, run
from sdtrace_collector.script.trial import Trial


class Order(msgspec.Struct, frozen=True):
    """What to run: `settings` on its pipelines, and files for what comes of it. `images` 0: no trace."""

    script: str
    arguments: list[str]
    settings: dict[str, str]
    skip: int
    unprofiled: int
    images: int
    trace: str
    picture: str
    facts: str


def main() -> int:
    """The exit code of the script; 1 where it left no trace."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    return run(
        Wanted(
            script=Path(order.script),
            arguments=order.arguments,
            target=Path(order.trace),
            plan=Plan(order.skip, order.unprofiled, order.images, repeat=True),
            function=None,
            every_module=None,
            profiler={"record_shapes": True, "with_flops": True},
            peaks=None if order.images else False,
            force=True,
            trial=Trial(Outside(**order.settings), Path(order.picture), Path(order.facts)),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
