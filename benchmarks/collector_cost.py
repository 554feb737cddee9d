"""What timing by the collector costs: its images and a bare diffusers loop's, by turns, in one process.

`python -m benchmarks.collector_cost --variant fastest -o FILE.json`, on a GPU and with a variant that the GPU
bounds: where the host does, walls vary too much to tell. The file holds every wall, the output their ratio.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch

from sdtrace_collector.machine_facts import device_name, versions
from sdtrace_collector.models import image_size, load
from sdtrace_collector.prepare import DTYPES, caller, prepare, set_backends
from sdtrace_collector.timed import Timed
from sdtrace_collector.variants import find_variant

PROMPT = "a photograph of an astronaut riding a horse"


def bare_image(pipe: Any, steps: int, index: int) -> float:
    """Wall seconds of one image as a user's own script would make it."""
    generator = torch.Generator("cpu").manual_seed(index)
    start = time.perf_counter()
    with torch.inference_mode():
        pipe(PROMPT, num_inference_steps=steps, generator=generator, output_type="pt")
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


@click.command()
@click.option("--variant", default="fastest", show_default=True)
@click.option("--model", default="sd15", show_default=True)
@click.option("--steps", default=50, show_default=True)
@click.option("--pairs", default=9, show_default=True, help="Images of each kind.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(variant: str, model: str, steps: int, pairs: int, output: Path) -> None:
    """Time both kinds of image by turns, after two of each to warm up."""
    axes = find_variant(variant).axes
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    set_backends(axes)
    pipe = load(model, DTYPES[axes.dtype], device, 0).pipe
    prepare(pipe, axes)
    height, width = image_size(pipe)
    arguments = {"prompt": [PROMPT], "num_inference_steps": steps, "height": height, "width": width}
    timed = Timed(caller(pipe, axes), 0, arguments)
    walls: dict[str, list[float]] = {"collector": [], "bare": []}
    for index in range(pairs + 2):
        for kind in ("collector", "bare")[:: 1 if index % 2 else -1]:
            walls[kind].append(
                timed.image(index)[0] if kind == "collector" else bare_image(pipe, steps, index)
            )
    kept = {kind: seconds[2:] for kind, seconds in walls.items()}
    facts = {"variant": variant, "model": model, "steps": steps, "device": device_name(device)}
    output.write_text(json.dumps({**facts, "versions": versions(), "wall_s": kept}, indent=1))
    ratio = median(kept["collector"]) / median(kept["bare"])
    click.echo(f"{variant}: collector {ratio:.4f} of the bare loop (medians of {pairs})")


if __name__ == "__main__":
    main()
