"""Records one scene: `python -m benchmarks.record.one_scene SCENE FOLDER`.

It builds and compiles everything, writes the line `ready`, waits for a line on its standard input, and
measures. So scenes can be made ready side by side and measure one after the other. All that it says goes to
its standard error. The exit code is 1 where a setting failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description="Records one scene.")
    parser.add_argument("scene")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--limit", type=float, default=180.0, metavar="SECONDS")
    given = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def wait() -> None:
        print("ready", file=answers, flush=True)
        if not sys.stdin.readline():
            sys.exit("nobody waits for this scene any more")

    return record(given.scene, given.folder, wait, limit_s=given.limit, is_tiny=given.tiny)


def record(
    name: str, folder: Path, wait: Callable[[], None], *, limit_s: float = 180.0, is_tiny: bool = False
) -> int:
    """Records a scene of the catalog into the folder; 1 where a setting failed, else 0.

    `wait` is called when all is built and compiled; after it nothing else must work on the machine.
    """
    import torch  # noqa: PLC0415 - takes seconds
    from benchmarks.record import measuring  # noqa: PLC0415
    from benchmarks.record.catalog import SCENES  # noqa: PLC0415
    from benchmarks.record.place import Place  # noqa: PLC0415
    from benchmarks.record.session import Session  # noqa: PLC0415

    at, session = Place(is_tiny), Session(name, folder, limit_s)
    torch.manual_seed(0)
    made = SCENES[name].make(at)
    session.say("built")
    measuring.prepare(at, session, made)
    if not is_tiny:
        torch.cuda.empty_cache()
    wait()
    measuring.measure(at, session, made)
    if not is_tiny:
        session.say(f"done, at most {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    notes = session.truth["notes"]
    if notes:
        session.say("; ".join(f"{setting}: {words}" for setting, words in notes.items()))
    return 1 if notes else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Without what torch takes down at the end, which takes seconds.
    os._exit(code)
