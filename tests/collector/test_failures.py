"""What goes wrong ends in one line that says what to do, and leaves no file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from sdtrace_collector import launch, run, session
from sdtrace_collector.errors import DoesNotApply, SetupFailed, VariantFailed
from sdtrace_collector.failures import explain
from sdtrace_collector.protocol import Done, Event, Exporting, Failed, Missing, Note, RunFacts, Spec, Stage
from sdtrace_collector.targets import Target, targets_for
from sdtrace_collector.variants import VARIANTS, Axes
from tests.cli.command import EAGER as TRACE
from tests.collector.command import collect, start

EAGER = ("--variant", "fp32_eager", "--device", "cpu")
SHORT = ("--steps", "1", "--images", "1", "--unprofiled-images", "0")


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the command keeps what it needs while it runs."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def with_worker(out: Path, scratch: Path) -> tuple[subprocess.Popen[str], int]:
    """A command in the middle of its run, and its worker's process id."""
    process = start(*EAGER, "--images", "500", "-o", out, TMPDIR=str(scratch))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.parent.exists():
        process.kill()
        pytest.skip("finding the worker needs Linux's /proc")
    while not (found := children.read_text().split()):
        assert process.poll() is None
        time.sleep(0.05)
    return process, int(found[0])


def test_ctrl_c_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    process, worker = with_worker(tmp_path / "out", scratch)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "sdtrace: fp32_eager: interrupted; nothing of it was written\n"
    assert not files_under(tmp_path)
    assert not Path(f"/proc/{worker}").exists()


def test_a_killed_worker_is_reported_and_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    process, worker = with_worker(tmp_path / "out", scratch)
    os.kill(worker, signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.startswith(
        "sdtrace: fp32_eager: the worker was killed (SIGKILL), most often because memory"
    )
    assert stderr.count("\n") == 1
    assert not files_under(tmp_path)


def test_a_worker_ends_with_its_command_even_while_it_has_nothing_to_say(scratch: Path) -> None:
    # The kernel closes a killed command's end of stdin; stdout stays open, so no broken pipe ends the worker.
    endless = Spec("fp32_eager", Axes(), str(scratch), model="tiny", steps=10**6, device="cpu")
    worker = subprocess.Popen(
        [sys.executable, "-m", "sdtrace_collector.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(msgspec.json.encode(endless) + b"\n")
        worker.stdin.flush()
        try:
            assert any(b"warm-up" in line for line in worker.stdout)
            worker.stdin.close()
            assert worker.wait(timeout=30) == -signal.SIGKILL
            assert not scratch.exists()
        finally:
            worker.kill()


def test_too_large_an_image_says_out_of_memory(tmp_path: Path) -> None:
    result = collect(*EAGER, "--height", "512", "--width", "512", "-o", tmp_path, memory=16 << 30)
    assert result.returncode == 1
    assert result.stderr.startswith("sdtrace: fp32_eager: out of memory; lower --batch")
    assert not files_under(tmp_path)


def test_a_variant_that_fails_costs_itself_alone(tmp_path: Path, scratch: Path) -> None:
    variants = (
        "--variant",
        "bf16_sdpa_regional",
        "--variant",
        "bf16_sdpa_eager",
        "--cold",
        "--device",
        "cpu",
    )
    result = collect(*variants, *SHORT, "-o", tmp_path / "out", CXX="/bin/false", TMPDIR=str(scratch))
    assert result.returncode == 1
    assert "sdtrace: bf16_sdpa_regional: InductorError: InvalidCxxCompiler" in result.stderr
    log = Path(result.stderr.strip().rpartition("the log is ")[2])
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert [path.name for path in files_under(tmp_path / "out")] == ["bf16_sdpa_eager.json"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_no_gpu_is_said_once_for_all_variants(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = _refused(msgspec.structs.replace(_HERE, device="cuda", scratch=str(tmp_path)))
    assert refused.message.startswith("--device cuda: ")
    assert refused.message.endswith("use --device cpu")
    _handed_over(monkeypatch, tmp_path, refused)
    places = targets_for(["fp32", "bf16"], tmp_path / "out", gzip=False)
    capsys.readouterr()
    assert session.run_all([Spec(name, Axes(), "") for name in places], places, force=False) == 1
    assert capsys.readouterr().err == f"sdtrace: {refused.message}\n"


def test_a_missing_package_says_how_to_install_it(tmp_path: Path) -> None:
    absent = tmp_path / "absent" / "diffusers"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'diffusers'\", name='diffusers')\n"
    )
    result = collect(*EAGER, "-o", tmp_path / "out", PYTHONPATH=str(absent.parent))
    assert result.returncode == 1
    assert result.stderr == "sdtrace: diffusers is not installed; pip install 'sdtrace[collect]'\n"


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = _refused(msgspec.structs.replace(_HERE, model=str(empty), scratch=str(tmp_path)))
    assert refused.setup
    assert refused.message.startswith(f"--model {empty}: this folder does not load: ")


def test_an_existing_trace_is_refused_before_anything_runs(tmp_path: Path) -> None:
    kept = tmp_path / "fp32_eager.json"
    kept.write_text("mine")
    result = collect(*EAGER, "-o", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"sdtrace: {kept} exists already; pass --force")
    assert kept.read_text() == "mine"


def test_a_table_that_torch_cannot_make_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr(run, "write_golden", failing)
    monkeypatch.setattr(run, "_export", lambda *_: None)
    events: list[Event] = []
    short: dict[str, Any] = {
        "model": "tiny",
        "steps": 1,
        "images": 1,
        "unprofiled_images": 0,
    }
    run.run(Spec("fp32_eager", Axes(), str(tmp_path), device="cpu", golden=True, **short), events.append)
    assert isinstance(events[-1], Done)
    (missing,) = [event.message for event in events if isinstance(event, Missing)]
    assert "key_averages() failed (UnicodeDecodeError" in missing
    assert "the trace is whole" in missing


_WORKER = """
import sys, time
sys.stdin.readline()
for line in {lines!r}:
    print(line, flush=True)
"""


def _handed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *events: Event) -> Target:
    """What is left of a worker that says this and ends."""
    lines = [msgspec.json.encode(event).decode() for event in events]
    monkeypatch.setattr(launch, "_COMMAND", [sys.executable, "-c", _WORKER.format(lines=lines)])
    return targets_for(["fp32"], tmp_path / "out", gzip=False)["fp32"]


_HERE = Spec("fp32_eager", Axes(), "", model="tiny", steps=1, images=1, unprofiled_images=0, device="cpu")
"""A run in this process, which has torch."""


def _refused(spec: Spec) -> Failed:
    """What a worker says of a run that cannot begin."""
    with pytest.raises(SetupFailed) as raised:
        run.run(spec, lambda _: None)
    return explain(raised.value)


def _facts() -> RunFacts:
    """Those of a shipped trace."""
    return msgspec.convert(json.loads(TRACE.read_bytes())["sdtrace"], RunFacts)


def test_a_worker_that_dies_over_the_table_leaves_the_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exported = tmp_path / "trace.json"
    exported.write_text('{"traceEvents": []}')
    events = (Exporting(_facts(), [str(exported)]), Stage("torch's key_averages"))
    target = _handed_over(monkeypatch, tmp_path, *events)
    spec = Spec("fp32", Axes(), "")
    with pytest.raises(VariantFailed, match="ended early"):
        launch.run_variant(spec, target, lambda _: None)
    assert json.loads(target.trace.read_bytes())["sdtrace"]["variant"] == "fp32_eager"
    assert not target.golden.exists()


def test_what_is_missing_is_told_and_what_an_earlier_run_left_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exported = tmp_path / "trace.json"
    exported.write_text('{"traceEvents": []}')
    said = (Missing("no table"), Note("no weights"))
    events = (Exporting(_facts(), [str(exported)]), *said, Done())
    target = _handed_over(monkeypatch, tmp_path, *events)
    target.golden.parent.mkdir()
    target.golden.write_text("of an earlier run")
    told: list[Missing | Note] = []
    launch.run_variant(Spec("fp32", Axes(), ""), target, lambda _: None, force=True, on_message=told.append)
    assert told == list(said)
    assert [path.name for path in target.trace.parent.iterdir()] == ["fp32.json"]


def test_what_does_not_apply_costs_only_itself_where_all_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = explain(DoesNotApply("cache=lossy_first_block needs a transformer"))
    _handed_over(monkeypatch, tmp_path, refusal)
    exported = tmp_path / "trace.json"
    exported.write_text('{"traceEvents": []}')
    refused, fitting = Spec("lossy", Axes(), ""), Spec("fp32", Axes(), "")
    places = targets_for(["lossy", "fp32"], tmp_path / "out", gzip=False)

    assert session.run_all([refused], places, force=True, passes_over=True) == 1, "nothing was collected"
    assert session.run_all([refused], places, force=True) == 1
    capsys.readouterr()

    whole = Exporting(_facts(), [str(exported)]), Done()
    run_variant = launch.run_variant

    def one_after_the_other(spec: Spec, *others: Any, **more: Any) -> RunFacts:
        _handed_over(monkeypatch, tmp_path, *((refusal,) if spec is refused else whole))
        return run_variant(spec, *others, **more)

    monkeypatch.setattr(session, "run_variant", one_after_the_other)
    assert session.run_all([refused, fitting], places, force=True, passes_over=True) == 0
    said = capsys.readouterr().err
    assert "sdtrace: lossy: skipped: cache=lossy_first_block needs a transformer\n" in said
    assert said.endswith("sdtrace: 1 collected, 1 skipped\n")
    assert session.run_all([refused, fitting], places, force=True) == 1, "it was asked for by its name"


def test_all_variants_with_a_setting_are_those_that_can_have_it(tmp_path: Path) -> None:
    kept = [variant for variant in VARIANTS.values() if variant.axes.quantization != "fp8"]
    for variant in kept:
        (tmp_path / f"{variant.name}+dtype=fp16.json").write_text("mine")
    result = collect("--all", "--set", "dtype=fp16", "-o", tmp_path)
    assert result.returncode == 2, "nothing runs here: what it would write is there already"
    assert result.stderr.count(": skipped: ") == len(VARIANTS) - len(kept)
    assert "sdtrace: fastest_fp8: skipped: quantization=fp8 multiplies into bfloat16" in result.stderr
    wrong = collect("--all", "--set", "dtpe=fp16", "-o", tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("sdtrace: unknown axis 'dtpe' (did you mean 'dtype'?)")
