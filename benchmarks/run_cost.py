"""What `sdtrace run` costs the calls that it only times: a script by itself and under it, by turns.

`python -m benchmarks.run_cost [--model sd15] [--pairs 9]`, on a GPU and with a model that the GPU bounds.
Each turn is a process of its own that makes the same images; the script itself takes their walls, and the
medians of each turn are compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import click

_SKIP, _TIMED = 2, 5
_SCRIPT = """
import sys, time, torch
from sdtrace_collector.models import load
model, calls = sys.argv[1], int(sys.argv[2])
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
pipe = load(model, torch.float16 if device.type == "cuda" else torch.float32, device, 0).pipe
wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
walls = []
for _ in range(calls):
    wait()
    start = time.perf_counter()
    pipe("a horse", num_inference_steps=20, output_type="pt")
    wait()
    walls.append(time.perf_counter() - start)
print("WALLS", walls)
"""


def _turn(folder: Path, model: str, under: list[str]) -> float:
    """The median wall seconds of a call, once warm."""
    words = [sys.executable, *under, str(folder / "script.py"), model, str(_SKIP + _TIMED)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=folder)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("WALLS")]
    return float(median(json.loads(line.removeprefix("WALLS"))[_SKIP:]))


@click.command()
@click.option("--model", default="sd15", show_default=True)
@click.option("--pairs", type=int, default=9, show_default=True)
@click.option("--first/--no-first", default=True, help="As in `sdtrace run`.")
def main(model: str, pairs: int, first: bool) -> None:
    """Print each pair and the median of the ratios."""
    command = "from sdtrace_collector.script.command import run; run()"
    options = ["--skip", str(_SKIP), "--unprofiled", str(_TIMED), "--profile", "1", "--no-peaks", "--force"]
    under = ["-c", command, *options, "--first" if first else "--no-first"]
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.py").write_text(_SCRIPT, encoding="utf-8")
        for pair in range(pairs):
            order = (under, []) if pair % 2 else ([], under)
            walls = {bool(turn): _turn(folder, model, turn) for turn in order}
            ratios.append(walls[True] / walls[False])
            print(f"pair {pair}: {walls[False] * 1000:.2f} ms bare, {walls[True] * 1000:.2f} ms under it")
    print(f"ratio: median {median(ratios):.4f}, {min(ratios):.4f} to {max(ratios):.4f}")


if __name__ == "__main__":
    main()
