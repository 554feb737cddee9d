"""Records scenes for `benchmarks.predictions`: `python -m benchmarks.record FOLDER [SCENE...]`.

Every scene runs in a process of its own. All are built and compiled side by side; then each measures alone,
one after the other, in the order given: walls of its settings by turns, a trace of each setting, more walls.
The folder gets `SCENE.SETTING.json.gz`, `SCENE.truth.json` and a log of each scene. A scene that fails or
takes too long loses only itself; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.record import results
from benchmarks.record.catalog import SCENES
from benchmarks.record.processes import Plan, record_together


def main() -> int:
    given = _arguments()
    if given.list:
        print(
            "\n".join(
                f"{name:10s}{scene.about}: {', '.join(scene.settings)}" for name, scene in SCENES.items()
            )
        )
        return 0
    folder, scenes = given.folder.resolve(), list(dict.fromkeys(given.scenes or SCENES))
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {words}", flush=True)

    plan = Plan(folder, given.tiny, given.limit, given.ready, began + given.total)
    failed: dict[str, str] = {}
    for start in range(0, len(scenes), given.together):
        failed |= record_together(scenes[start : start + given.together], plan, say)
    print(results.table(folder, scenes))
    for scene, why in failed.items():
        print(f"{scene} failed: {why}. Its log: {folder / 'logs' / scene}.log", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record", description=__doc__.split("\n\n")[1])
    add = parser.add_argument
    add("folder", type=Path, nargs="?", metavar="FOLDER", help="gets the traces, the walls and the logs")
    add("scenes", nargs="*", metavar="SCENE", help="default: all")
    add("--list", action="store_true", help="name the scenes")
    add("--tiny", action="store_true", help="small networks on the CPU, a few runs: tries the scenes out")
    add("--limit", type=float, default=180.0, metavar="SECONDS", help="for measuring one scene (180)")
    add("--ready", type=float, default=420.0, metavar="SECONDS", help="for building and compiling (420)")
    add("--total", type=float, default=86400.0, metavar="SECONDS", help="for everything")
    add("--together", type=int, default=12, metavar="N", help="scenes made ready side by side (12)")
    given = parser.parse_args()
    if unknown := set(given.scenes) - SCENES.keys():
        parser.error(f"there is no scene {', '.join(sorted(unknown))}; --list names them")
    if not given.list:
        if given.folder is None:
            parser.error("a folder is needed")
        there = [name for name in given.scenes or SCENES if (given.folder / f"{name}.truth.json").exists()]
        if there:
            parser.error(f"{given.folder} has records of {', '.join(there)}: give another folder")
    if given.together < 1:
        parser.error("--together must be at least 1")
    return given


if __name__ == "__main__":
    sys.exit(main())
