"""Times the settings of a scene by turns, records a trace of each, and times them again."""

from __future__ import annotations

import gc
import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.record.made import IN_TRACE, Made, Training
from benchmarks.record.place import Place
from benchmarks.record.session import LEAST, Session
from torch.profiler import ProfilerActivity, profile, schedule

_STEPS, _FIRST_STEPS, _IN_TRACE = 6, 3, 4
"""Steps of a training: timed in a turn, before those where workers start, in a trace."""
_LARGE: Final = 4_500_000
"""Bytes of a trace from which on fewer images are recorded."""
_COUNTED: Final = ('"cudaGraphLaunch"', "triton_", "CompiledFxGraph", "nchwToNhwc", '"cudaLaunchKernel')


class _Setting(NamedTuple):
    """How a setting is warmed up, timed in seconds, and recorded."""

    warm: Callable[[], Any]
    wall: Callable[[], float]
    record: Callable[[], profile]


class Turns(NamedTuple):
    """How often all settings are timed, before and after the traces."""

    before: int
    after: int


def turns_of(at: Place, made: Made) -> Turns:
    if at.is_tiny:
        return Turns(LEAST, 1)
    return Turns(6, 3) if made.train else Turns(9, 4)


def prepare(at: Place, session: Session, made: Made) -> None:
    """Compiles what is compiled and runs every setting; one that fails is left out."""
    for name, one in _settings_of(at, made).items():
        begin = time.monotonic()
        for _ in range(1 if made.train or at.is_tiny else 3):
            if not session.succeeds(name, "warm-up", one.warm):
                made.run.pop(name, None)
                made.train.pop(name, None)
                break
        session.say(f"{name}: warm after {time.monotonic() - begin:.1f} s")
    at.sync()


def measure(at: Place, session: Session, made: Made) -> None:
    """Walls, traces, walls. Only the last are left out where time is short."""
    session.begin()
    made.settle()
    of_scene = _settings_of(at, made)
    for name, one in of_scene.items():
        session.succeeds(name, "warm-up", one.warm)
    gc.collect()
    walls = {name: one.wall for name, one in of_scene.items()}
    turns = turns_of(at, made)
    for turn in range(turns.before):
        session.add_turn("walls_s", walls)
        if turn + 1 >= LEAST and session.spent_s > session.limit_s / 2:
            break
    session.say(f"walls: {session.truth['walls_s']}")
    for name in walls:
        if session.left_s < 0:
            session.note(name, "no time for its trace")
            continue
        _trace(at, session, made, name)
        gc.collect()
    for _ in range(turns.after):
        if session.left_s < 0:
            session.say("no time for more walls")
            break
        session.add_turn("walls_after_s", walls)
    session.say(f"walls after the traces: {session.truth['walls_after_s']}")
    session.save()


def _settings_of(at: Place, made: Made) -> dict[str, _Setting]:
    images = {name: _of_images(at, made, run) for name, run in made.run.items()}
    return images | {name: _of_steps(at, training) for name, training in made.train.items()}


def _of_images(at: Place, made: Made, run: Callable[[], Any]) -> _Setting:
    return _Setting(run, lambda: _wall_again(at, run), lambda: _record_images(at, made, run))


def _of_steps(at: Place, training: Training) -> _Setting:
    first = _FIRST_STEPS if training.workers else 1
    return _Setting(
        lambda: _wall_of_step(at, training, 2, 2),
        lambda: _wall_of_step(at, training, first, _STEPS),
        lambda: _record_steps(at, training),
    )


def _wall_of(at: Place, run: Callable[[], Any]) -> float:
    at.sync()
    begin = time.perf_counter()
    run()
    at.sync()
    return time.perf_counter() - begin


def _wall_again(at: Place, run: Callable[[], Any]) -> float:
    """Seconds of the second of two runs: whoever makes images makes several, one like the other."""
    run()
    return _wall_of(at, run)


def _wall_of_step(at: Place, training: Training, first: int, timed: int) -> float:
    """Seconds of one step, the mean of a short run with a loader of its own."""
    batches = training.batches()
    for _ in range(first):
        training.step(next(batches))
    at.sync()
    begin = time.perf_counter()
    for _ in range(timed):
        training.step(next(batches))
    at.sync()
    return (time.perf_counter() - begin) / timed


def _activities(at: Place) -> list[ProfilerActivity]:
    return [ProfilerActivity.CPU] + ([] if at.is_tiny else [ProfilerActivity.CUDA])


def _record_images(at: Place, made: Made, run: Callable[[], Any]) -> profile:
    """Marked by the profiler's steps where it warms up during images, else not."""
    run()
    at.sync()
    first, count = made.unrecorded, made.images
    marks = schedule(wait=0, warmup=first, active=count, repeat=1) if first else None
    profiler = profile(
        activities=_activities(at), schedule=marks, record_shapes=True, with_stack=made.has_stacks
    )
    with profiler:
        for _ in range(first + count):
            run()
            if first:
                profiler.step()
        at.sync()
    return profiler


def _record_steps(at: Place, training: Training) -> profile:
    batches = training.batches()
    for _ in range(2):
        training.step(next(batches))
    at.sync()
    marks = schedule(wait=0, warmup=2, active=_IN_TRACE, repeat=1)
    profiler = profile(activities=_activities(at), schedule=marks, record_shapes=True)
    with profiler:
        for _ in range(2 + _IN_TRACE):
            training.step(next(batches))
            profiler.step()
    at.sync()
    return profiler


def _trace(at: Place, session: Session, made: Made, name: str) -> None:
    profiler = session.guarded(name, "profile", _settings_of(at, made)[name].record)
    if profiler is None:
        return
    path = session.folder / f"{session.scene}.{name}.json.gz"
    text = session.guarded(name, "export", lambda: _exported(profiler, path))
    if text is None:
        return
    session.truth["checks"][name] = counts = {word: text.count(word.encode()) for word in _COUNTED}
    size = path.stat().st_size
    session.say(f"{name}: a trace of {size / 1e6:.2f} MB, {counts}")
    expected = IN_TRACE.get(name)
    if not at.is_tiny and expected and expected.encode() not in text:
        session.note(name, f"no {expected} in its trace")
    if b'"cat": "cpu_op"' not in text:
        session.note(name, "its trace is empty")
    if size > _LARGE and made.images > 3:
        session.say("large traces: three images from now on")
        made.images = 3
    session.save()


def _exported(profiler: profile, path: Path) -> bytes:
    """The trace's text; the compressed file appears whole or not at all."""
    raw, part = path.with_suffix(".raw"), path.with_suffix(".part")
    profiler.export_chrome_trace(str(raw))
    text = raw.read_bytes()
    part.write_bytes(gzip.compress(text, 6))
    part.replace(path)
    raw.unlink()
    return text
