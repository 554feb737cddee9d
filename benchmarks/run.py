"""Measure `sdtrace analyze` and the installed peers on the same traces, in one run.

    python -m benchmarks.run [TRACE...] [--peers-python PATH]

Prints Markdown: time and peak memory beside those of the peers, growth with the size of the trace,
other layouts, our own time by stage. Every figure is of a whole process; one process runs at a time.
"others" is how many processors everything else kept busy meanwhile: repeat what was not near 0.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
from benchmarks.inputs import LAYOUTS, find_traces, pack, repeat, rewrite, torch_export, unpack
from benchmarks.measure import measure
from benchmarks.peers import Tool, find_peers, ours
from benchmarks.tables import Row, peers_table, speed_table, stages_table

_LAYOUT_BYTES = 100_000_000


class _Bench(NamedTuple):
    folder: Path
    tool: Tool
    peers: Sequence[Tool]
    runs: int
    peer_runs: int

    def ours(self, trace: Path, what: str = "") -> Row:
        """Measure ourselves; the file is read once before, so that no run pays for the disk."""
        with trace.open("rb") as file:
            while file.read(16 << 20):
                pass
        click.echo(f"{self.tool.name} {trace.name}", err=True)
        return Row(what or trace.name, trace.stat().st_size, measure(self.tool.on(trace), self.runs))

    def with_peers(self, trace: Path) -> list[Row]:
        """Ourselves first, then every peer."""
        rows = [self.ours(trace, self.tool.name)]
        for peer in self.peers:
            click.echo(f"{peer.name} {trace.name}", err=True)
            rows.append(Row(peer.name, trace.stat().st_size, measure(peer.on(trace), self.peer_runs)))
        return rows


@click.command(help=__doc__)
@click.argument("traces", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--peers-python", "pythons", multiple=True, help="A Python that has peers; may be repeated.")
@click.option("--runs", default=3, show_default=True, help="Runs of ours; the median counts.")
@click.option("--peer-runs", default=1, show_default=True, help="Runs of each peer.")
@click.option("--repeat", "times", multiple=True, type=int, default=(2, 4, 8), show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where large files may go. [temporary]")
def main(
    traces: tuple[Path, ...],
    pythons: tuple[str, ...],
    runs: int,
    peer_runs: int,
    times: tuple[int, ...],
    folder: Path | None,
) -> None:
    chosen = list(traces) or find_traces()
    if not chosen:
        raise click.UsageError("no traces found; name one")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        peers, missing = find_peers([sys.executable, *pythons], work)
        bench = _Bench(work, ours(work), peers, runs, peer_runs)
        click.echo(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}. {_versions()}")
        if missing:
            click.echo(f"Not installed: {', '.join(missing)}.")
        plain = [unpack(trace, work) for trace in chosen]
        for trace in plain:
            _report(f"{trace.name}: our time by stage", stages_table(trace, runs))
            _report(f"{trace.name}: ours and the peers", peers_table(bench.with_peers(trace)))
        _report("sdtrace --help", speed_table([_help(runs)]))
        largest = max(plain, key=lambda trace: trace.stat().st_size)
        base = bench.ours(largest, "x1")
        _report(f"{largest.name}: size of the reports", _sizes(work / "report"))
        _report("Compressed", speed_table([base, bench.ours(pack(largest, work), "gzip")]))
        _report("Growth", speed_table([base, *_growth(bench, largest, sorted(times))]))
        _report("Other layouts", speed_table([base, *_layouts(bench, largest, pythons)]))


def _report(title: str, text: str) -> None:
    click.echo(f"\n## {title}\n\n{text}")


def _versions() -> str:
    from importlib.metadata import version  # noqa: PLC0415  # once

    return ", ".join(f"{name} {version(name)}" for name in ("sdtrace", "numpy", "polars", "msgspec", "isal"))


def _help(runs: int) -> Row:
    command = [sys.executable, "-m", "sdtrace", "--help"]
    return Row("sdtrace --help", 0, measure(command, max(runs, 5)))


def _growth(bench: _Bench, trace: Path, times: Sequence[int]) -> list[Row]:
    """The trace several times over in one file; sizes for which the disk has no room are said."""
    rows = []
    for n in times:
        if shutil.disk_usage(bench.folder).free < 1.2 * n * trace.stat().st_size:
            click.echo(f"x{n} skipped: not enough room in {bench.folder.parent}", err=True)
            continue
        target = repeat(trace, n, bench.folder / f"x{n}.json")
        rows.append(bench.ours(target, f"x{n}"))
        target.unlink()
    return rows


def _layouts(bench: _Bench, trace: Path, pythons: Sequence[str]) -> list[Row]:
    """The same trace in other layouts, and a profile by whatever torch is installed, at some size."""
    rows = []
    for layout in LAYOUTS:
        target = rewrite(trace, bench.folder / "layout.json", layout)
        rows.append(bench.ours(target, layout))
        target.unlink()
    found = [python for python in [sys.executable, *pythons] if _has_torch(python)]
    if found:
        small = torch_export(found[0], bench.folder / "small.json")
        n = max(1, _LAYOUT_BYTES // small.stat().st_size)
        rows.append(bench.ours(repeat(small, n, bench.folder / "torch.json"), "as installed torch writes"))
    return rows


def _has_torch(python: str) -> bool:
    return not measure([python, "-c", "import torch"], 1).failure


def _sizes(folder: Path) -> str:
    lines = [f"| {path.name} | {path.stat().st_size / 1e3:,.0f} kB |" for path in sorted(folder.iterdir())]
    return "\n".join(["| file | size |", "|---|---:|", *lines])


if __name__ == "__main__":
    main()
