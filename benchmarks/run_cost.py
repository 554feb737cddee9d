"""What `sdtrace run` costs the calls that it only times: a script by itself and under it, by turns.

`python -m benchmarks.run_cost [--batch 8] [--pairs 9] [-o cost.json]`, on a GPU and with a batch that the GPU
bounds. Each turn is a process of its own that makes the same images; the script itself takes
their walls, and the medians of each turn are compared. All processes load their model at once and then wait
for their turn, so that one call is timed at a time.
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
model, calls, batch, steps = sys.argv[1], *map(int, sys.argv[2:])
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
pipe = load(model, torch.float16 if device.type == "cuda" else torch.float32, device, 0).pipe
wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
print("READY", flush=True)
sys.stdin.readline()
walls = []
for _ in range(calls):
    wait()
    start = time.perf_counter()
    pipe(["a horse"] * batch, num_inference_steps=steps, output_type="pt")
    wait()
    walls.append(time.perf_counter() - start)
name = torch.cuda.get_device_name() if device.type == "cuda" else "a CPU"
print("WALLS", walls, flush=True)
print("DEVICE", name, torch.__version__, flush=True)
"""


def _begun(folder: Path, number: int, under: list[str], words: list[str]) -> subprocess.Popen[str]:
    """A process that has loaded its model and waits."""
    place = folder / str(number)
    place.mkdir()
    return subprocess.Popen(
        [sys.executable, *under, str(folder / "script.py"), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=place,
    )


def _turn(process: subprocess.Popen[str]) -> tuple[list[float], str]:
    """The wall seconds of the calls that count, once warm, and the device."""
    said, _ = process.communicate("\n")
    lines = dict(line.split(maxsplit=1) for line in said.splitlines() if line.startswith(("WALLS", "DEVICE")))
    return json.loads(lines["WALLS"])[_SKIP:], lines["DEVICE"]


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    for line in process.stdout or ():
        if line.startswith("READY"):
            return
    raise click.ClickException("a turn failed before its images")


@click.command()
@click.option("--model", default="sd15", show_default=True)
@click.option("--batch", type=int, default=1, show_default=True)
@click.option("--steps", type=int, default=20, show_default=True)
@click.option("--pairs", type=int, default=9, show_default=True)
@click.option("--first/--no-first", default=True, help="As in `sdtrace run`.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file for all walls.")
def main(model: str, batch: int, steps: int, pairs: int, first: bool, output: Path | None) -> None:
    """Print each pair and the median of the ratios."""
    command = "from sdtrace_collector.script.command import run; run()"
    # Half of the calls without the profiler come before it, and the script makes no more than those.
    plan = ["--skip", str(_SKIP), "--unprofiled", str(2 * _TIMED), "--profile", "1"]
    options = [*plan, "--no-peaks", "--force"]
    under = ["-c", command, *options, "--first" if first else "--no-first"]
    words = [model, str(_SKIP + _TIMED), str(batch), str(steps)]
    walls: dict[str, list[list[float]]] = {"bare": [], "under": []}
    device = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.py").write_text(_SCRIPT, encoding="utf-8")
        kinds = [kind for pair in range(pairs) for kind in ("bare", "under")[:: -1 if pair % 2 else 1]]
        begun = [
            _begun(folder, number, under if kind == "under" else [], words)
            for number, kind in enumerate(kinds)
        ]
        for process in begun:
            _wait_until_ready(process)
        for kind, process in zip(kinds, begun, strict=True):
            seconds, device = _turn(process)
            walls[kind].append(seconds)
            if len(walls["bare"]) != len(walls["under"]):
                continue
            ours, theirs = (median(walls[each][-1]) * 1000 for each in ("under", "bare"))
            print(f"pair {len(walls['bare'])}: {theirs:.2f} ms bare, {ours:.2f} ms under it", flush=True)
            if output is not None:
                facts = {"model": model, "batch": batch, "steps": steps, "device": device}
                output.write_text(json.dumps({**facts, "wall_s": walls}), encoding="utf-8")
    turns = zip(walls["under"], walls["bare"], strict=True)
    ratios = [median(ours) / median(theirs) for ours, theirs in turns]
    print(f"ratio: median {median(ratios):.4f}, {min(ratios):.4f} to {max(ratios):.4f}")


if __name__ == "__main__":
    main()
