"""The rows of the sample report: names and times of a real cold run, and a few hostile ones."""

from __future__ import annotations

from sdtrace import model as m

SCRIPT = "<img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"
ESCAPE = "\x1b[31mred\x1b[0m"
PIPE = "| pipe `tick` \\| end"
NEWLINE = "first line\nsecond line"
BIDI = "safe\u202egnp.exe"
CLOSING = "</script><script>alert(2)</script>"
HOSTILE = (SCRIPT, FORMULA, ESCAPE, PIPE, NEWLINE, BIDI, CLOSING)

_CONV = (
    "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize{}"
    "_execute_segment_k_off_kernel__5x_cudnn"
)
_FILL = (
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>, std::array<char*, 1ul> >"
    "(int, at::native::FillFunctor<int>, std::array<char*, 1ul>)"
)
_ADD = (
    "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<"
    "at::native::CUDAFunctor_add<float> >"
    "(at::TensorIteratorBase&, at::native::CUDAFunctor_add<float> const&)::{lambda(int)#1}>(int, at::native::"
    "gpu_kernel_impl_nocast<at::native::CUDAFunctor_add<float> >(at::TensorIteratorBase&, "
    "at::native::CUDAFunctor_add<float> const&)::{lambda(int)#1})"
)
_SOFTMAX = (
    "void at::native::(anonymous namespace)::cunn_SoftMaxForwardReg<float, float, float, at::native::"
    "(anonymous namespace)::SoftMaxForwardEpilogue, long, 4>(float*, float const*, long)"
)
_NORM = (
    "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float, float, false>"
    "(int, float, float const*, float const*, float const*, float*, float*, float*)"
)
_GEMV = (
    "void gemmSN_TN_kernel<float, 128, 16, 2, 4, 2, 2, true, cublasGemvTensorStridedBatched<float const>, "
    "cublasGemvTensorStridedBatched<float const>, cublasGemvTensorStridedBatched<float> >"
    "(cublasGemmSmallNParams<cublasGemvTensorStridedBatched<float const>, "
    "cublasGemvTensorStridedBatched<float const>, cublasGemvTensorStridedBatched<float>, float>)"
)

_KERNELS = [
    (_FILL, "FillFunctor<int>", "memset_fill", 65_204, 1_236_102.417),
    (
        _CONV.format("256x64x32_warpgroupsize1x1x1_g1"),
        "implicit_gemm bf16 256x64x32",
        "convolution",
        264,
        141_454.427,
    ),
    (
        "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x64_4x1x1_cga1x1x1_kernel0_0",
        "cudnn sdpa flash 64x128x64",
        "attention",
        161,
        110_971.007,
    ),
    (
        "triton_poi_fused_convolution_silu_59",
        "triton_poi_fused_convolution_silu_59",
        "fused_triton",
        8_264,
        98_758.894,
    ),
    (
        _CONV.format("64x64x64_warpgroupsize1x1x1_g1"),
        "implicit_gemm bf16 64x64x64",
        "convolution",
        172,
        73_877.022,
    ),
    (
        _CONV.format("64x128x64_warpgroupsize1x1x1_g1"),
        "implicit_gemm bf16 64x128x64",
        "convolution",
        119,
        63_505.3,
    ),
    (
        _CONV.format("128x128x64_warpgroupsize1x1x1_g1"),
        "implicit_gemm bf16 128x128x64",
        "convolution",
        53,
        53_146.4,
    ),
    ("nvjet_sm90_tst_168x128_64x5_1x2_h_bz_TNN", "nvjet 168x128", "gemm", 436, 42_988.631),
    (
        "triton_poi_fused_convolution_silu_95",
        "triton_poi_fused_convolution_silu_95",
        "fused_triton",
        4_066,
        42_681.816,
    ),
    ("nvjet_sm90_tst_80x64_64x11_1x2_h_bz_TNN", "nvjet 80x64", "gemm", 449, 36_590.564),
    (_ADD, "CUDAFunctor_add<float>", "activation_elementwise", 1_043, 26_937.4),
    (_SOFTMAX, "cunn_SoftMaxForwardReg", "softmax", 12, 22_991.784),
    (_NORM, "vectorized_layer_norm_kernel<float>", "normalization", 1_156, 20_918.304),
    (_GEMV, "gemmSN_TN_kernel<float>", "gemm", 528, 13_841.494),
    ("triton_per_fused_add_convolution_native_group_norm_silu_unsqueeze_33",) * 2
    + ("fused_triton", 66, 11_788.379),
    ("triton_poi_fused_gelu_mul_split_view_18",) * 2 + ("fused_triton", 165, 9_271.151),
    ("Memcpy DtoH (Device -> Pageable)", "Memcpy DtoH", "memcpy_d2h", 19, 1_212.903),
    ("Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD", "memcpy_h2d", 38, 803.208),
    *((name, name, "other", 3 + index, 12.5 - index) for index, name in enumerate(HOSTILE)),
]

_OPS = [
    ("model_inference", "cpu", True, 3, 1_904_116.204, 82_667_046.311, 0.0, 2_123_704.02, 0),
    ("model_inference", "device", True, 3, 0.0, 0.0, 82_201_117.9, 82_201_117.9, 0),
    (
        "CachingAutotuner.benchmark_all_configs (dynamo_timed)",
        "cpu",
        True,
        206,
        812_114.7,
        7_462_739.769,
        0.0,
        1_944_103.2,
        0,
    ),
    ("Torch-Compiled Region: 0/0", "cpu", False, 12, 402_113.5, 812_443.9, 0.0, 141_001.7, 0),
    ("aten::fill_", "cpu", False, 65_231, 633_870.118, 1_401_238.4, 1_236_200.9, 1_236_200.9, 0),
    ("cudaLaunchKernel", "cpu", False, 66_310, 702_114.302, 702_114.302, 0.0, 0.0, 0),
    ("aten::cudnn_convolution", "cpu", False, 1_336, 191_828.624, 258_472.613, 331_983.1, 331_983.1, 0),
    (
        "aten::addmm",
        "cpu",
        False,
        1_336,
        141_861.861,
        180_986.008,
        34_305.031,
        34_305.031,
        11_908_986_175_488,
    ),
    ("aten::mm", "cpu", False, 1_270, 82_090.502, 109_164.488, 16_301.646, 16_301.646, 3_591_417_495_552),
    (
        "aten::_cudnn_attention_forward",
        "cpu",
        False,
        451,
        78_773.417,
        140_567.155,
        110_971.007,
        110_971.007,
        0,
    ),
    (
        "triton_poi_fused_convolution_silu_59",
        "cpu",
        False,
        8_264,
        40_186.332,
        63_271.902,
        98_758.894,
        98_758.894,
        0,
    ),
    ("TorchDynamo Cache Lookup", "cpu", False, 14, 31_056.21, 31_056.21, 0.0, 0.0, 0),
]


def ops() -> list[m.Op]:
    """The op table, the hostile names at its end."""
    rows = [
        m.Op(
            name=name,
            device_type="device" if kind == "device" else "cpu",
            is_user_annotation=annotation,
            calls=calls,
            self_cpu_us=self_cpu,
            cpu_total_us=cpu_total,
            self_device_us=self_device,
            device_total_us=device_total,
            flops=flops,
        )
        for name, kind, annotation, calls, self_cpu, cpu_total, self_device, device_total, flops in _OPS
    ]
    return rows + [_device_op(kernel) for kernel in kernels()]


def _device_op(kernel: m.Kernel) -> m.Op:
    return m.Op(
        name=kernel.name,
        device_type="device",
        is_user_annotation=False,
        calls=kernel.calls,
        self_cpu_us=0.0,
        cpu_total_us=0.0,
        self_device_us=kernel.total_us,
        device_total_us=kernel.total_us,
        flops=0,
    )


def kernels() -> list[m.Kernel]:
    """The kernel table; shares are of the sum over its rows."""
    whole = sum(total for *_, total in _KERNELS)
    return [
        m.Kernel(
            name=name,
            short_name=short,
            category=category,
            calls=calls,
            total_us=total,
            mean_us=round(total / calls, 3),
            min_us=round(total / calls * 0.8, 3),
            max_us=round(total / calls * 1.9, 3),
            pct=round(100 * total / whole, 3),
        )
        for name, short, category, calls, total in _KERNELS
    ]


def categories() -> list[m.Category]:
    """Device time by category, summed from the kernels."""
    rows = kernels()
    whole = sum(row.total_us for row in rows)
    names = dict.fromkeys(row.category for row in rows)
    found = [
        m.Category(
            category=name,
            gpu_us=round(sum(row.total_us for row in rows if row.category == name), 3),
            pct=round(100 * sum(row.total_us for row in rows if row.category == name) / whole, 3),
            calls=sum(row.calls for row in rows if row.category == name),
        )
        for name in names
    ]
    return sorted(found, key=lambda row: -row.gpu_us)


def compile_stages() -> list[m.CompileStage]:
    """The stages of torch.compile; exclusive times sum to the compile phase."""
    return [
        m.CompileStage(stage=stage, exclusive_us=exclusive, inclusive_us=inclusive, count=count)
        for stage, exclusive, inclusive, count in [
            ("scheduling and fusion", 15_400_278.4, 15_400_278.4, 2),
            ("code generation", 18_246_309.61, 31_344_874.8, 2),
            ("inductor lowering", 9_276_905.592, 9_276_905.592, 2),
            ("AOT dispatch", 9_136_889.8, 59_257_903.212, 2),
            ("bytecode tracing", 7_477_914.077, 7_477_914.077, 2),
            ("joint graph passes", 2_904_545.272, 2_904_545.272, 2),
            ("post-grad passes", 1_382_897.618, 1_382_897.618, 2),
            ("guards", 852_438.771, 852_438.771, 2),
            ("waiting for Triton", 418_879.403, 418_879.403, 1),
            ("other", 4_720_972.369, 69_818_030.912, 2),
        ]
    ]


def components() -> list[m.Component]:
    """Pipeline components by phase."""
    return [
        m.Component(component=component, phase=phase, gpu_us=gpu, wall_us=wall, calls=calls)
        for component, phase, gpu, wall, calls in [
            ("text_encoder", "warmup", 8_204.1, 402_113.0, 1),
            ("text_encoder", "steady", 1_702.4, 18_204.7, 2),
            ("unet", "compile", 1_204.331, 64_118_204.1, 1),
            ("unet", "autotune", 1_944_103.2, 7_429_114.02, 1),
            ("unet", "warmup", 44_120.9, 1_802_440.9, 4),
            ("unet", "steady", 61_004.2, 280_117.3, 8),
            ("vae", "warmup", 39_295.4, 2_401_200.0, 1),
            ("vae", "steady", 25_166.7, 96_004.2, 2),
            ("scheduler", "steady", 0.0, 6_900.4, 8),
        ]
    ]
