"""Is every family of pipelines reported as it ran? Tiny ones on this machine, and what each costs.

`python -m benchmarks.pipelines [FAMILY...]` prints a line for each: images, steps, components, and what is
wrong. It exits with 1 where something is.
"""

from __future__ import annotations

import sys
import time
import warnings

import torch
from benchmarks.more_pipelines import MORE
from tests.collector.tiny_pipelines import TINY, Tiny
from tests.collector.tiny_recent import RECENT

from sdtrace_collector import profile_call


def main(names: list[str]) -> int:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    families = {**TINY, **RECENT, **MORE}
    bad = 0
    for name in names or families:
        start = time.process_time()
        try:
            said, wrong = _reported(families[name])
        except Exception as error:  # noqa: BLE001 - one that fails must not hide the others
            said, wrong = f"{type(error).__name__}: {str(error)[:200]}", "failed"
        bad += bool(wrong)
        print(f"{name:16} {said}  {time.process_time() - start:.1f} s  {wrong or 'right'}", flush=True)
    return 1 if bad else 0


def _reported(tiny: Tiny) -> tuple[str, str]:
    pipe = tiny.make()
    analysis = profile_call(lambda: tiny.call(pipe), pipe, images=2, unprofiled=1, skip=1, peaks=False)
    steps = analysis.steps.group_by("iteration", maintain_order=True).len()["len"].to_list()
    parts = set(analysis.components["component"]) - {"other", "scheduler"}
    wrong = []
    if steps != [tiny.steps] * 2:
        wrong.append(f"steps {steps}, not {tiny.steps} twice")
    if parts != tiny.parts:
        wrong.append(f"components {sorted(parts)}, not {sorted(tiny.parts)}")
    name = type(pipe).__name__
    return f"{name}: {len(steps)} images of {tiny.steps} steps, {', '.join(sorted(parts))}", "; ".join(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
