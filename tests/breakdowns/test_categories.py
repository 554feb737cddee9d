import pytest
import torch

from sdtrace.breakdowns.categories import FusedTriton, categorize, fused_kind
from sdtrace.breakdowns.rules import KernelKey, load_rules
from sdtrace.breakdowns.short_names import MAX_LENGTH, short_name
from tests.breakdowns.device_events import OTHER_TRACES, SD_TRACES, WILD_TRACES, device_time, kernel_names

GEMM = "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize128x128x8_stage3_execute_kernel__5x_cublas"
SOFTMAX = "void (anonymous namespace)::softmax_warp_forward<float, float, float, 10, false, false>(float*)"


def shares(trace: str) -> dict[str, float]:
    """Percent of device time per category."""
    times = device_time(trace)
    total = sum(times.values())
    result: dict[str, float] = {}
    for category, time in zip(categorize(list(times), load_rules()), times.values(), strict=True):
        result[category] = result.get(category, 0.0) + 100 * time / total
    return result


@pytest.mark.parametrize("trace", [*SD_TRACES, *WILD_TRACES])
def test_nothing_of_a_diffusion_trace_is_other(trace: str) -> None:
    assert shares(trace).get("other", 0.0) == 0


@pytest.mark.parametrize("trace", OTHER_TRACES)
def test_at_most_three_percent_of_any_other_trace_is_other(trace: str) -> None:
    assert shares(trace).get("other", 0.0) <= 3


@pytest.mark.parametrize("trace", SD_TRACES + OTHER_TRACES + WILD_TRACES)
def test_short_names_fit_and_tell_the_kernels_of_a_trace_apart(trace: str) -> None:
    names = kernel_names(trace)
    shorts = [short_name(name) for name in names]
    assert max(map(len, shorts)) <= MAX_LENGTH
    assert len(set(shorts)) == len(names)
    assert not [short for short in shorts if "::" in short or short.startswith("void ")]


def test_what_the_variants_of_stable_diffusion_spend_their_time_on() -> None:
    eager, compiled = shares(SD_TRACES[0]), shares(SD_TRACES[1])
    assert {"gemm", "softmax", "convolution", "normalization"} <= {c for c, pct in eager.items() if pct > 5}
    assert "fused_triton" not in eager
    assert not any(category.startswith("attention") for category in eager)
    assert {"gemm", "attention_cudnn", "convolution", "fused_triton"} <= {
        c for c, pct in compiled.items() if pct > 5
    }
    assert "softmax" not in compiled


def test_embedding_kernels_of_fbgemm_are_no_gemm() -> None:
    keys = [key for key in device_time(OTHER_TRACES[0]) if "fbgemm" in key.kernel_name]
    assert keys
    assert "gemm" not in categorize(keys, load_rules())


@pytest.mark.parametrize(
    ("op", "kernel", "context", "category"),
    [
        ("aten::bmm", GEMM, "", "gemm"),
        ("aten::baddbmm", GEMM, "nn.Module: Attention_0", "attention_math"),
        ("aten::addmm", GEMM, "nn.Module: Attention_0", "gemm"),
        ("aten::_softmax", SOFTMAX, "", "softmax"),
        ("aten::_softmax", SOFTMAX, "attention", "attention_math"),
        ("aten::_softmax", SOFTMAX, "aten::_scaled_dot_product_attention_math", "attention_math"),
        ("aten::cudnn_convolution", "nvjet_sm90_tst_256x128_64x4_2x1_v_bz_coopA_NNT", "", "convolution"),
        ("aten::mm", "nvjet_sm90_tst_256x128_64x4_2x1_v_bz_coopA_NNT", "", "gemm"),
        ("aten::_flash_attention_forward", "attn_fwd", "", "attention_flash"),
        ("aten::_efficient_attention_forward", "attn_fwd", "", "attention_efficient"),
        ("aten::_to_copy", "a_kernel_nobody_has_seen", "", "layout"),
        ("mylib::an_op", "a_kernel_nobody_has_seen", "", "other"),
    ],
)
def test_op_kernel_and_context_decide_together(op: str, kernel: str, context: str, category: str) -> None:
    assert categorize([KernelKey("kernel", kernel, op, context)], load_rules()) == [category]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("triton_poi_fused__to_copy_1", FusedTriton("pointwise", ("_to_copy",))),
        ("triton_red_fused_add_native_layer_norm_3", FusedTriton("reduction", ("add", "native_layer_norm"))),
        ("triton_per_fused__softmax_2", FusedTriton("persistent", ("_softmax",))),
        ("triton_tem_fused_addmm_relu_0", FusedTriton("template", ("addmm", "relu"))),
        ("triton_poi_fused_0", FusedTriton("pointwise", ())),
        ("triton_poi_fused_copy__5", FusedTriton("pointwise", ("copy_",))),
        ("triton_mm", FusedTriton("template", ("mm",))),
        ("triton__0d1d2d3d", None),
        ("triton_unk_fused_add_0", None),
        ("nvjet_sm90_tst_80x64_64x11_1x2_h_bz_TNN", None),
    ],
)
def test_the_name_of_a_fused_kernel_tells_its_kind_and_ops(name: str, expected: FusedTriton | None) -> None:
    assert fused_kind(name) == expected


@pytest.mark.parametrize("trace", SD_TRACES[1:3])
def test_fused_ops_are_ops_torch_knows_and_spell_the_name(trace: str) -> None:
    names = [name for name in kernel_names(trace) if name.startswith("triton_")]
    assert len(names) > 100
    for name in names:
        fused = fused_kind(name)
        assert fused is not None
        assert "_".join(fused.ops) == name.split("_", 3)[3].rpartition("_")[0]
        assert all(hasattr(torch.ops.aten, op) for op in fused.ops), name
