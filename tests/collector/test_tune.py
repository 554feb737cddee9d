"""`sdtrace tune` by real runs of the tiny model on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from sdtrace.errors import OutputError, UsageError
from sdtrace_collector.errors import SetupFailed
from sdtrace_collector.launch import run_variant
from sdtrace_collector.protocol import Spec
from sdtrace_collector.targets import targets_for
from sdtrace_collector.tune import command, cures, loop
from sdtrace_collector.tune.record import Tuning
from sdtrace_collector.variants import Axes

SMALL = ("--device", "cpu", "--steps", "1", "--images", "1", "--unprofiled-images", "3")


pytestmark = pytest.mark.usefixtures("forked_workers")


def tuned(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command.tune, [*SMALL, "-o", str(folder), *arguments])


def read(folder: Path) -> Tuning:
    return msgspec.json.decode((folder / "tune.json").read_bytes(), type=Tuning)


def test_it_tries_measures_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cures, "_ON_A_CPU", {"attention": "sdpa"})
    monkeypatch.setattr(loop, "needs_more", lambda *_, **__: False)
    result = tuned(tmp_path)
    assert result.exit_code == 0, result.output
    tuning = read(tmp_path)
    assert [trial.name for trial in tuning.trials] == ["fp32_eager", "attention=sdpa"]
    trial = tuning.trials[1]
    assert trial.findings == []
    assert trial.outcome in ("kept", "slower", "within the noise")
    assert trial.measured is not None
    processes = 2 if trial.outcome == "kept" else 1
    assert [len(process) for process in trial.measured.processes] == [3] * processes
    assert trial.psnr_db is not None
    assert trial.psnr_db > 60
    assert all((tmp_path / str(each.trace)).is_file() for each in tuning.trials)
    assert (tmp_path / "start" / "report.html").is_file()
    assert (tmp_path / "best" / "report.md").is_file()
    page = (tmp_path / "tune.md").read_text(encoding="utf-8")
    assert "| `attention=sdpa` | no finding |" in page
    assert "Ended: nothing is left to try." in result.stdout
    again = tuned(tmp_path).exception
    assert isinstance(again, OutputError)
    assert "--force" in str(again)


def test_ctrl_c_ends_it_with_the_table_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Loop, "_try", interrupted)
    result = tuned(tmp_path)
    assert result.exit_code == 130
    tuning = read(tmp_path)
    assert tuning.ended == "interrupted"
    assert [trial.name for trial in tuning.trials] == ["fp32_eager"]
    assert (tmp_path / "best" / "report.html").is_file()


def test_what_cannot_begin_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    assert isinstance(tuned(folder, "--from", "fp32_eagre").exception, UsageError)
    assert isinstance(tuned(folder, "--model", "sd16").exception, UsageError)
    assert isinstance(tuned(folder, "--device", "tpu").exception, SetupFailed)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "begin", interrupted)
    assert tuned(folder).exit_code == 130
    assert not list(folder.glob("*.*"))


def test_a_run_that_profiles_nothing_gives_its_walls_and_no_files(tmp_path: Path) -> None:
    spec = Spec("x", Axes(), "", model="tiny", steps=1, images=0, unprofiled_images=2, device="cpu")
    facts = run_variant(spec, targets_for(["x"], tmp_path, gzip=False)["x"], lambda _: None)
    assert len(facts.unprofiled_wall_s) == 2
    assert facts.profiled_wall_s == []
    assert list(tmp_path.iterdir()) == []
