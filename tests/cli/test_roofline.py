"""`sdtrace roofline`: what a person reads, from traces that have much or nothing to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import COLD, EAGER, complaint, run

TESTS = Path(__file__).parents[1]
IMAGE = TESTS / "roofline" / "data" / "h100-graphs.json.gz"
COMPILED = TESTS / "roofline" / "data" / "h200-compiled.json.gz"
ONCE = TESTS / "roofline" / "data" / "h100-transformer.json.gz"
TWO_GPUS = TESTS / "field" / "model_split_over_two_gpus.json.gz"
NO_GPU = TESTS / "field" / "components_overlap.json"
PEAKS = """card = 'Mine'
memory_bytes_per_s = 1e12
l2_bytes = 1
l2_bytes_per_s = 2e12
[flops_per_s]
bfloat16 = 1e14
"""


def shown(path: Path, *options: str | Path, cwd: Path) -> str:
    done = run("roofline", path, *options, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    return " ".join(done.stdout.split())


def test_an_image_in_graphs_is_held_against_the_card_it_was_made_on(tmp_path: Path) -> None:
    text = shown(IMAGE, "--top", "3", cwd=tmp_path)
    assert "NVIDIA H100 80GB HBM3, measured on it: 3.28 TB/s memory" in text
    assert "A steady image takes 98.9 ms with the profiler." in text
    assert "Its work at these peaks takes 21.9 ms, 22.1 % of that." in text
    assert "15 of 3,745 pieces of work in CUDA graphs have no op" in text
    assert "at the peak unet 16.1 ms 16.3 %" in text
    assert "idle waiting for launch" in text
    assert "native_group_norm" in text
    assert "more in report.json" in text


def test_what_fused_kernels_read_again_is_said(tmp_path: Path) -> None:
    """Nsight Compute counted 8.05 GiB; each byte once is 5.25 GiB."""
    text = shown(COMPILED, "--top", "1", cwd=tmp_path)
    assert "Fused kernels read 8.05 GiB from memory where 5.25 GiB would do" in text
    assert "triton_per_fused_clone_native_group_norm_47 most of all" in text
    assert "Kernel Must read Reads GPU time Calls triton_per_fused_clone" in text
    assert "group_norm_47 128 MiB 1,014 MiB" in text
    once = shown(ONCE, "--top", "1", cwd=tmp_path)
    assert "Fused kernels read" not in once
    assert "Must read" in once


def test_a_phase_limits_the_work_and_not_the_image(tmp_path: Path) -> None:
    """Nothing of an image in steady state was compiled."""
    whole, steady = shown(COLD, cwd=tmp_path), shown(COLD, "--phase", "steady", cwd=tmp_path)
    first, _, work = whole.partition("Work by op and shape")
    same, _, part = steady.partition("Work by op and shape")
    assert first == same
    assert work != part


def test_without_shapes_no_least_time_is_claimed(tmp_path: Path) -> None:
    text = shown(EAGER, cwd=tmp_path)
    assert "H200, as its maker states: 4.80 TB/s memory" in text
    assert "The least time of its 2.07 ms of work is not known." in text
    assert "record_shapes=True" in text
    assert "Of peak" not in text


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (NO_GPU, "The trace holds no GPU work."),
    ],
)
def test_what_is_not_held_against_a_card_says_why(path: Path, sentence: str, tmp_path: Path) -> None:
    text = shown(path, cwd=tmp_path)
    assert sentence in text
    assert "Where a steady" not in text


def on_a_card(name: str, folder: Path) -> Path:
    """The eager trace, as if made on a card of this name."""
    trace: dict[str, Any] = json.loads(EAGER.read_text(encoding="utf-8"))
    trace["deviceProperties"] = [{"id": 0, "name": name}]
    trace["sdtrace"]["device_name"] = name
    path = folder / "other.json"
    path.write_text(json.dumps(trace), encoding="utf-8")
    return path


def test_an_unknown_card_is_named_and_may_be_given(tmp_path: Path) -> None:
    path = on_a_card("Unheard 9000", tmp_path)
    text = shown(path, cwd=tmp_path)
    assert "Nothing is known of what Unheard 9000 can do; give its peaks with --peaks" in text
    assert "Work by op and shape" in text
    (tmp_path / "card.toml").write_text(PEAKS, encoding="utf-8")
    text = shown(path, "--peaks", "card.toml", cwd=tmp_path)
    assert "Mine, as given: 1.00 TB/s memory, 100 TFLOP/s bfloat16." in text
    assert "A steady image takes 29.3 ms" in text


def test_given_peaks_change_the_least_time(tmp_path: Path) -> None:
    """A third of the memory rate, an eighth of the operations."""
    (tmp_path / "card.toml").write_text(PEAKS, encoding="utf-8")
    text = shown(IMAGE, "--peaks", "card.toml", cwd=tmp_path)
    assert "Mine, as given" in text
    assert "takes 98.9 ms" in text
    assert "Its work at these peaks takes 21.9 ms" not in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--peaks", "none.toml"], "none.toml: cannot read the peaks"),
        (["--peaks", "wrong.toml"], "did you mean 'memory_bytes_per_s'"),
        (["--phase", "steadi"], "did you mean 'steady'?"),
    ],
)
def test_a_mistake_is_one_line(options: list[str], part: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("memory_bytes_per_sec = 1e12\n", encoding="utf-8")
    assert part in complaint(run("roofline", EAGER, *options, cwd=tmp_path), 2)


def on_two_gpus(folder: Path, second: str) -> Path:
    """The eager trace, its work of every second op on another GPU of this name."""
    trace: dict[str, Any] = json.loads(EAGER.read_text(encoding="utf-8"))
    name = trace["deviceProperties"][0]["name"]
    trace["deviceProperties"] = [{"id": 0, "name": name}, {"id": 1, "name": second or name}]
    for event in trace["traceEvents"]:
        if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset") and event["args"]["External id"] % 2:
            event["pid"] = event["args"]["device"] = 1
    path = folder / "two.json"
    path.write_text(json.dumps(trace), encoding="utf-8")
    return path


def test_several_gpus_are_told_one_by_one_and_together(tmp_path: Path) -> None:
    text = shown(TWO_GPUS, cwd=tmp_path)
    assert "Where a steady iteration goes, on RTX 4080" in text
    assert "GPU 0 is busy for" in text
    assert "GPU 1 is busy for" in text


def test_gpus_of_two_kinds_are_not_held_against_one_card(tmp_path: Path) -> None:
    assert "GPU 1 is busy for" in shown(on_two_gpus(tmp_path, ""), cwd=tmp_path)
    text = shown(on_two_gpus(tmp_path, "NVIDIA A100-SXM4-80GB"), cwd=tmp_path)
    assert "The trace holds GPUs of several kinds: no image is held against one card." in text
    assert "Where a steady" not in text
