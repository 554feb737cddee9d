"""Scenes that are recorded make the pairs that are written down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from benchmarks import prediction_pairs as pairs
from benchmarks.predictions import Record, Traces, records
from benchmarks.record.catalog import SCENES

from tests.gpu_added import add_gpu

_ROOT: Final = Path(__file__).parents[1]
_IN_TURN: Final = ("nvq", "dit256", "words", "vitwhole")
_CODE: Final = """
import sys
from pathlib import Path
from benchmarks.record.one_scene import record
for name in sys.argv[2:]:
    assert record(name, Path(sys.argv[1]), lambda: None, is_tiny=True) == 0
"""


def test_every_scene_has_a_function_and_a_pair() -> None:
    source = _ROOT / "benchmarks" / "record" / "scenes"
    paired = {pair.base.partition(".")[0] for pair in pairs.PAIRS}
    for name, scene in SCENES.items():
        text = (source / f"{scene.module}.py").read_text(encoding="utf-8")
        assert f"\ndef {name}(at: Place) -> Made:" in text
        assert name in paired


def test_the_settings_of_every_pair_are_recorded() -> None:
    named = {name for pair in pairs.PAIRS for name in (pair.base, pair.result)}
    of_scenes = {name for name in named if name.partition(".")[0] in SCENES}
    recorded = {f"{name}.{setting}" for name, scene in SCENES.items() for setting in scene.settings}
    assert of_scenes <= recorded
    assert len(of_scenes) > 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of every kind, recorded on the CPU; one by the command, the others in one process."""
    folder = tmp_path_factory.mktemp("recorded")
    command = [sys.executable, "-m", "benchmarks.record", str(folder), "llin", "--tiny"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "llin.python" in done.stdout
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", _CODE, str(folder), *_IN_TURN]
    subprocess.run(command, cwd=_ROOT, env=environment, check=True, capture_output=True)
    return folder


def test_what_is_recorded_is_judged(folder: Path) -> None:
    for path in folder.glob("*.json.gz"):
        add_gpu(path)
    found = list(records(Traces([folder])))
    images = {record.base for record in found if record.kind == pairs.IMAGE}
    assert images == {
        f"{name}.{setting}" for name in ("llin", *_IN_TURN) for setting in SCENES[name].settings
    }
    assert all(record.runs == 4 for record in found if record.kind != pairs.UNCHANGED)
    assert _kinds(found) >= {
        (pairs.PYTHON, "llin.python", "llin.base"),
        (pairs.COMPILE, "dit256.base", "dit256.graphs"),
        (pairs.LOADER, "words.heavy", "words.workers"),
    }


def _kinds(found: list[Record]) -> set[tuple[str, str, str]]:
    return {(record.kind, record.base, record.result) for record in found}


def test_a_scene_that_is_not_ready_in_time_fails(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "benchmarks.record", str(tmp_path)]
    late = subprocess.run(
        [*run, "llin", "--tiny", "--ready", "0"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert late.returncode == 1
    assert "llin failed: not ready in time" in late.stderr


def test_nothing_of_an_earlier_recording_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "llin.truth.json").write_text("{}")
    run = [sys.executable, "-m", "benchmarks.record", str(tmp_path)]
    again = subprocess.run([*run, "llin", "--tiny"], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "has records of llin" in again.stderr
