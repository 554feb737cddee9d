"""An anonymous copy tells nobody's secrets, and all the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtrace.analysis import Options, analyze
from sdtrace.export.pseudonyms import Pseudonyms
from sdtrace.export.slim import write_slim
from sdtrace.model import TraceReport
from tests.loaded import report_of
from tests.shared import shared_trace

TRACES = Path(__file__).parents[2] / "traces"
EAGER = TRACES / "h200-fp32_eager.json"
COLD = TRACES / "h200-bf16_sdpa_regional.cold.json.gz"
SECRETS = ("mallory", "quux-host7", "zebra", "acme", "hunter2", "10.20.30.40", "projectx")
PROMPT = "a zebra painted by mallory for acme"
PEAKS = {
    "card": "NVIDIA H200",
    "flops_per_s": {"float16": 7.2e14, "tf32": 4e14},
    "memory_bytes_per_s": 4.1e12,
}


def planted(path: Path) -> Path:
    """The eager trace with secrets in names, arguments, stacks, metadata, keys and run facts."""
    trace: dict[str, Any] = json.loads(EAGER.read_bytes())
    script = "/home/mallory/projectx/train_acme.py"
    trace |= {
        "username": "mallory",
        "host_name": "quux-host7.acme.internal",
        "env": {"API_TOKEN": "hunter2", "HOME": "/home/mallory"},
        "traceName": "/home/mallory/projectx/zebra.json",
        "distributedInfo": {"backend": "nccl", "rank": 0, "pg_config": [{"pg_desc": "acme group"}]},
    }
    trace["sdtrace"] |= {"prompt": PROMPT, "model": "/home/mallory/acme", "command_line": f"python {script}"}
    trace["sdtrace"]["peaks"] = PEAKS
    events = trace["traceEvents"]
    for number, event in enumerate(e for e in events if e.get("cat") == "cpu_op"):
        event["args"] |= {
            "Call stack": f"{script}(3): main;torch/nn/modules/module.py(1): _call",
            "token": "hunter2",
        }
        event["args"]["Concrete Inputs"] = ["[1, 77]", "cuda:0", PROMPT, ""]
        if number % 100 == 0:
            event["name"] += "_mallory"
    for event in events:
        if event.get("cat") in ("user_annotation", "gpu_user_annotation") and event["name"] == "scheduler":
            event["name"] = f"scheduler of {PROMPT}"
        if event["ph"] == "M" and event["name"] in ("process_name", "thread_name"):
            event["args"]["name"] += " mallory@quux-host7 10.20.30.40"
    first = next(event for event in events if event.get("cat") == "user_annotation")
    for name in (
        f"{script}(12): run",
        "C:\\Users\\mallory\\My acme\\x.py(3): go",
        "nn.Module: UNet2DModel_0",
    ):
        event = {**first, "cat": "python_function", "name": name, "args": {"Python id": 1}}
        events.append({**event, "dur": 0.001, "tid": f"mallory {name[:2]}"})
    path.write_text(json.dumps(trace))
    return path


def sums(report: TraceReport) -> list[Any]:
    """All numbers of a report that do not depend on a name."""
    ops = sorted(
        (row.calls, row.self_cpu_us, row.cpu_total_us, row.self_device_us, row.device_total_us, row.flops)
        for row in report.ops
    )
    kernels = [(row.name, row.calls, row.total_us) for row in report.kernels]
    iterations = [
        (row.wall_us, row.gpu_us, row.gpu_events, row.steps, row.phase) for row in report.iterations
    ]
    return [
        report.gpu,
        ops,
        kernels,
        iterations,
        report.categories,
        report.components,
        report.phases,
        report.idle,
    ]


def test_no_planted_secret_is_left_and_the_sums_are_equal(tmp_path: Path) -> None:
    source, target = planted(tmp_path / "source.json"), tmp_path / "share.json"
    write_slim(source, target, anonymize=True)
    text = target.read_text().lower()
    assert [secret for secret in SECRETS if secret in source.read_text().lower()] == list(SECRETS)
    assert [secret for secret in SECRETS if secret in text] == []
    whole, part = (analyze(path, Options.of()) for path in (source, target))
    assert sums(part) == sums(whole)
    assert part.events.by_category == whole.events.by_category


def test_what_an_analysis_needs_stays(tmp_path: Path) -> None:
    target = tmp_path / "share.json"
    write_slim(planted(tmp_path / "source.json"), target, anonymize=True)
    trace = json.loads(target.read_bytes())
    original = json.loads(EAGER.read_bytes())
    events = [event for event in trace["traceEvents"] if event.get("cat") != "python_function"]
    for new, old in zip(events, original["traceEvents"], strict=True):
        if new.get("cat") in ("kernel", "cuda_runtime", "gpu_memcpy", "gpu_memset"):
            assert new == old
        assert [new.get(key) for key in ("ts", "dur", "ph", "cat", "id")] == [
            old.get(key) for key in ("ts", "dur", "ph", "cat", "id")
        ]
    assert trace["deviceProperties"] == original["deviceProperties"]
    facts = {key: value for key, value in original["sdtrace"].items() if key not in ("prompt", "model")}
    facts["peaks"] = PEAKS
    assert {key: value for key, value in trace["sdtrace"].items() if key != "model"} == facts
    assert trace["host_name"] == "hidden"
    assert {"username", "env", "traceName"}.isdisjoint(trace)
    names = {event["name"] for event in trace["traceEvents"] if event.get("cat") == "python_function"}
    assert "nn.Module: UNet2DModel_0" in names
    stack = next(event for event in events if event.get("cat") == "cpu_op")["args"]
    assert stack["Call stack"].endswith("(3): main;torch/nn/modules/module.py(1): _call")
    assert stack["Concrete Inputs"][:2] == ["[1, 77]", "cuda:0"]


@pytest.mark.parametrize(
    "name", [COLD, "wild/lora_train.json.gz", "third_party/hta_ns_resolution_v100.json.gz"], ids=str
)
def test_real_traces_keep_their_sums(name: Path | str, tmp_path: Path) -> None:
    source = shared_trace(name) if isinstance(name, str) else name
    target = tmp_path / "share.json"
    write_slim(source, target, anonymize=True)
    assert sums(analyze(target, Options.of())) == sums(report_of(source))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("denoise_step 3", "denoise_step 3"),
        ("unet", "unet"),
        ("AutoencoderKL.decode", "AutoencoderKL.decode"),
        ("request 12 for bob", "request 12 for anon_a"),
        ("bob and Bob", "anon_a and anon_a"),
        ("猫の写真", "anon_a"),
        ("see https://example.com/x?y=1", "anon_a url_b"),
        ("load /data/bob/cat.safetensors", "load file_a.safetensors"),
        ("anonymousbob", "anon_a"),
    ],
)
def test_words(text: str, shown: str) -> None:
    found = Pseudonyms().words(text)
    letters = found.replace("url_a", "url_b").replace("anon_b", "anon_a")
    assert letters == shown


@pytest.mark.parametrize(
    "name",
    [
        "void at::native::(anonymous namespace)::RowwiseMomentsCUDAKernel<float>(long, float, float const*)",
        "aten::_scaled_dot_product_flash_attention",
        "Memcpy HtoD (Pageable -> Device)",
        "triton_per_fused_add_div_native_layer_norm_view_3",
        "Cijk_Alik_Bljk_SB_Bias_AS_SAV_UserArgs_MT64x16x32_MI16x16x1",
    ],
)
def test_names_of_code_stay(name: str) -> None:
    assert Pseudonyms(["bob"], ["dot"]).code(name) == name


def test_a_user_is_hidden_in_names_of_code_too() -> None:
    assert Pseudonyms(["bob"]).code("bob_lib::add_bob2 at_bob") == "anon_a_lib::add_bob2 at_anon_a"
    assert Pseudonyms(["add"]).code("aten::add") == "aten::add"
