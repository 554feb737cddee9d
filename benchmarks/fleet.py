"""A fleet of made traces on pools and Dask clusters: equal results, what is planted found, time and memory.

    python -m benchmarks.fleet FOLDER [NUMBER]

Times are of a machine that may be busy: beside the wall stands the processor time of all tasks, which says
how much of it another process took.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from tests.fleets import made

from sdtrace.fleets.store import open_store
from sdtrace.fleets.tables import TABLES

_KINDS = {
    "pool of 1": ["--workers", "1"],
    "pool of 2": ["--workers", "2"],
    "Dask, 1 worker": ["--workers", "1", "--dask"],
    "Dask, 2 workers": ["--workers", "2", "--dask"],
}
_ORDER = (0, 1, 0, 1, 2, 0, 1, 0, 1, 3, 1, 0, 1, 0, 2, 1, 0, 1, 0, 4)
"""Which shipped trace follows which: the large ones are fewer."""


def main() -> None:
    folder, number = Path(sys.argv[1]), int((sys.argv[2:] or ["500"])[0])
    traces = folder / f"traces{number}"
    if not traces.is_dir():
        shipped = [made.read(path) for path in made.SHIPPED]
        made.write(traces, [shipped[place] for place in _ORDER], number)
    stores = {}
    for turn in range(2):
        for kind, options in _KINDS.items():
            stores[kind] = folder / f"{kind.replace(' ', '-').replace(',', '')}"
            shutil.rmtree(stores[kind], ignore_errors=True)
            _measure(f"{kind}, turn {turn + 1}", traces, stores[kind], options)
    _compare(stores)
    _killed(traces, folder / "killed", stores["pool of 2"])
    report = ["sdtrace", "fleet", "report", str(stores["pool of 2"]), "-o", str(folder / "report"), "--force"]
    subprocess.run(report, check=True)


def _measure(name: str, traces: Path, store: Path, options: list[str]) -> None:
    before, began = os.times(), time.monotonic()
    process = subprocess.Popen(["sdtrace", "fleet", str(traces), "-o", str(store), *options])
    with _watched(process.pid) as most:
        process.wait()
    wall, after = time.monotonic() - began, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{name}: wall {wall:.1f} s, processor {spent:.1f} s, {_told(most)}", flush=True)


@contextmanager
def _watched(pid: int) -> Iterator[dict[str, int]]:
    """The most memory (KiB) of the process, and of the largest of its children, while the block runs."""
    most = {"run": 0, "worker": 0}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            most["run"] = max(most["run"], _resident(pid))
            most["worker"] = max(most["worker"], *map(_resident, _children(pid)), 0)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def _told(most: dict[str, int]) -> str:
    return ", ".join(f"{name} at most {kib >> 10} MiB" for name, kib in most.items())


def _children(pid: int) -> list[int]:
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = [Path(each, "children").read_text().split() for each in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    found = {int(child) for group in (direct, *threads) for child in group}
    return [*found, *(below for child in found for below in _children(child))]


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def _compare(stores: dict[str, Path]) -> None:
    first, *others = (_rows(store) for store in stores.values())
    for kind, rows in zip(list(stores)[1:], others, strict=True):
        same = all(rows[table].equals(first[table]) for table in TABLES)
        print(f"{kind}: {'the same rows' if same else 'OTHER ROWS'} as {next(iter(stores))}")


def _rows(store: Path) -> dict[str, pl.DataFrame]:
    opened = open_store(store)
    return {table: opened.scan(table).sort(pl.all()).collect() for table in TABLES}


def _killed(traces: Path, store: Path, whole: Path) -> None:
    """Kill a worker, then the whole run, go on, and look whether anything is lost or there twice."""
    shutil.rmtree(store, ignore_errors=True)
    command = ["sdtrace", "fleet", str(traces), "-o", str(store), "--workers", "2"]
    process = subprocess.Popen(command)
    time.sleep(8)
    os.kill(_children(process.pid)[0], signal.SIGKILL)
    time.sleep(8)
    process.kill()
    process.wait()
    subprocess.run([*command, "--resume"], check=False)
    same = all(_rows(store)[table].equals(rows) for table, rows in _rows(whole).items())
    print(f"killed and resumed: {'the same rows' if same else 'OTHER ROWS'} as pool of 2")


if __name__ == "__main__":
    main()
