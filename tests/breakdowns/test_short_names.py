import pytest

from sdtrace.breakdowns.short_names import short_name

FILL = (
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>, std::array<char*, 1ul> >"
    "(int, at::native::FillFunctor<int>, std::array<char*, 1ul>)"
)
COPY = (
    "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<at::native::"
    "direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}::operator()() const::"
    "{lambda()#7}::operator()() const::{lambda(float)#1}>(at::TensorIteratorBase&, int const&)"
    "::{lambda(int)#1}>(int, int)"
)
SCALAR_MUL = (
    "void at::native::vectorized_elementwise_kernel<8, at::native::AUnaryFunctor<c10::BFloat16, "
    "c10::BFloat16, c10::BFloat16, at::native::binary_internal::MulFunctor<float> >, "
    "std::array<char*, 2ul> >(int)"
)
MEAN = (
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps<float, float, "
    "float, float>, unsigned int, float, 4, 4> >(at::native::ReduceOp<float>)"
)
XMMA = (
    "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize256x64x32_warpgroupsize1x1x1_g1_"
    "execute_segment_k_off_kernel__5x_cudnn"
)
SDPA = "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x64_4x1x1_cga1x1x1_kernel0_0"

FUSED_NORM = (
    "std::enable_if<(((8)>(0)))&&vllm::_typeConvert<c10::BFloat16>::exists, void>::type "
    "vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(c10::BFloat16*)"
)
W4A4 = (
    "void nunchaku::kernels::invoke_kernel<nunchaku::kernels::GEMM_W4A4<nunchaku::kernels::"
    "GEMMConfig_W4A4_FP16>::gemm_w4a4_kernel<int, false> >(int)"
)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (FILL, "elementwise fill<int>"),
        (COPY, "elementwise strided direct_copy<float>"),
        (SCALAR_MUL, "elementwise scalar_mul<bf16> x8"),
        (MEAN, "reduce mean<float> 512x1"),
        (XMMA, "sm90 fprop bf16/f32 nhwckrsc_nhwc 256x64x32 k_off"),
        (SDPA, "cudnn sdpa sm90 flash fprop wgmma f16 k7 64x128x64 4x1x1"),
        (
            "void cutlass::Kernel2<cutlass_80_simt_sgemm_128x256_8x4_tn_align1>(Params)",
            "cutlass_80_simt_sgemm_128x256_8x4_tn_align1",
        ),
        (
            "nvjet_sm90_tst_168x128_64x5_1x2_h_bz_coopA_bias_TNN",
            "nvjet_sm90_tst_168x128_64x5_1x2_h_bz_coopA_bias_TNN",
        ),
        ("void at::native::(anonymous namespace)::f<c10::Half>(long)", "f<half>"),
        ("Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD (Pageable -> Device)"),
        ("triton_poi_fused_silu_4", "triton_poi_fused_silu_4"),
        ("zeCommandListAppendMemoryCopy(M2D)", "zeCommandListAppendMemoryCopy(M2D)"),
        (FUSED_NORM, "fused_add_rms_norm_kernel<bf16,8>"),
        (W4A4, "GEMM_W4A4<GEMMConfig_W4A4_FP16>.gemm_w4a4_kernel<int,false>"),
        (
            "aclnnQuantMatmulWeightNz_QuantBatchMatmulV3_QuantBatchMatmulV3",
            "aclnnQuantMatmulWeightNz_QuantBatchMatmulV3",
        ),
    ],
)
def test_a_short_name_keeps_operation_type_tile_and_layout(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        (
            "Cijk_Alik_Bljk_BBS_BH_Bias_UserArgs_MT320x224x64_MI16x16x1_SN_LDSB0",
            "Tensile BBS TN MT320x224x64 MI16x16x1~",
        ),
        ("_ZN7ck_tile6kentryILi1ENS_12Rmsnorm2dFwdINS_27Rmsnorm2dFwdPipelineOnePass", "kentry Rmsnorm2dFwd~"),
        (
            "_ZN2ck16tensor_operation6device12_GLOBAL__N_139kernel_grouped_conv_fwd_xdl_cshuffle_v3INS_9GridwiseGE",
            "kernel_grouped_conv_fwd_xdl_cshuffle_v3 GridwiseG~",
        ),
    ],
)
def test_what_had_to_go_leaves_a_mark(name: str, beginning: str) -> None:
    short = short_name(name)
    assert short.startswith(beginning)
    assert short != short_name(name + "_variant")


def test_a_long_fused_kernel_keeps_its_number() -> None:
    name = (
        "triton_per_fused_add_clone_convolution_div_native_group_norm_native_layer_norm_permute_silu_view_15"
    )
    assert "…_15~" in short_name(name)
