"""Every event of real traces equals what the standard library's decoder says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sdtrace.reader import RawTrace, read_raw
from tests.reader.decoder import Plain, decode, load, rows_of
from tests.shared import shared_trace

SHIPPED = Path(__file__).parents[2] / "traces"
EAGER, COMPILED = "h200-fp32_eager.json", "h200-bf16_sdpa_regional.cold.json.gz"
TRACES = [
    EAGER,
    COMPILED,
    "reference/bf16_sdpa_eager.stack",
    "reference/bf16_sdpa_graphs.warm",
    "third_party/hta_cpu_only",
    "third_party/hta_cudagraph_training_a100",
    "third_party/hta_mi250_rocm62_training",
    "third_party/hta_ns_resolution_v100",
    "third_party/tracelens_torch_compile_triton_mi300x",
    "third_party/tracelens_vllm_decode_graph_rocm",
]


def assert_same(raw: RawTrace, plain: Plain) -> None:
    found = rows_of(raw)
    assert len(found) == len(plain.rows)
    assert [pair for pair in zip(found, plain.rows, strict=True) if pair[0] != pair[1]] == []
    assert raw.counts == plain.counts
    assert raw.memory == plain.memory
    assert raw.metadata == plain.metadata
    assert raw.top_level.keys() == plain.top_level.keys()
    assert raw.top_level.get("deviceProperties") == plain.top_level.get("deviceProperties")
    assert (raw.skipped, raw.salvaged) == (0, False)


@pytest.mark.parametrize("name", TRACES)
def test_a_reference_trace_is_read_to_the_last_digit(name: str) -> None:
    path = shared_trace(f"{name}.json.gz") if "/" in name else SHIPPED / name
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    assert_same(read_raw(path), decode(text.decode("utf-8", "replace")))


def test_a_trace_of_the_installed_torch_is_read_to_the_last_digit(cpu_trace: Path) -> None:
    plain = decode(cpu_trace.read_bytes().decode("utf-8", "replace"))
    assert plain.memory
    assert plain.metadata
    assert_same(read_raw(cpu_trace), plain)


def test_the_arguments_of_ops_are_kept_once_each(cpu_trace: Path) -> None:
    raw = read_raw(cpu_trace)
    names = [raw.keys[key].name for key in raw.columns.key.tolist()]
    kept = [raw.args[index] if index >= 0 else "" for index in raw.columns.args.tolist()]
    shapes = [
        load(text)["Input Dims"] for name, text in zip(names, kept, strict=True) if name == "aten::addmm"
    ]
    assert [[32], [8, 16], [16, 32], [], []] in shapes
    assert len(set(raw.args)) == len(raw.args) < len(list(filter(None, kept)))
