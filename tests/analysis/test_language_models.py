"""Servers of language models are told by their cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loaded import report_of
from tests.shared import shared_trace
from tests.written import MS, call, host, kernel, written


def ran(path: Path) -> str:
    report = report_of(path)
    assert report.verdict is not None
    return next(line.rest for line in report.verdict.lines if line.label == "Ran")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fmhaSm100aKernel_QkvE4m3OBfloat16H64PagedKvCausalP16VarSeqQ128Kv128PersistentContext", True),
        ("void paged_attention_ll4mi_reduce_kernel<__hip_bfloat16, 128, 256>(__hip_bfloat16*)", True),
        (
            "void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16, unsigned char>(__nv_bfloat16 const*)",
            True,
        ),
        ("void (anonymous namespace)::store_kvcache<2048l, 4, false, long>(StoreKVCacheParams)", True),
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128>>(Flash_fwd_params)", False),
    ],
)
def test_kernels_of_a_cache_tell_a_language_model(name: str, expected: bool, tmp_path: Path) -> None:
    events = [host("aten::mm", 0, MS), call("cudaLaunchKernel", 10, 10, 1), kernel(name, 100, MS, 1)]
    written(tmp_path / "t.json", events)
    assert ran(tmp_path / "t.json").startswith("Inference of a language model") == expected


def test_of_real_traces_the_server_is_one_and_the_pipeline_is_none() -> None:
    server = ran(shared_trace("third_party/tracelens_vllm_decode_graph_rocm.json.gz"))
    pipeline = ran(shared_trace("third_party/tracelens_xdit_sd35_mi300x.json.gz"))
    assert server.startswith("Inference of a language model, bfloat16")
    assert pipeline.startswith("A diffusion pipeline with a transformer")
