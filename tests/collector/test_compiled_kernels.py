"""Which arguments of Inductor's Triton kernels are read and written, by their sources.

Inductor writes Triton kernels on a GPU only. The sources here are written by hand in the form of
`TritonKernel.codegen_kernel` of torch 2.13: decorators, then `def name(` and the arguments on one line.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from torch._inductor.codecache import PyCodeCache

from sdtrace_collector.compiled_kernels import argument_roles, kernel_sources

SOURCE = """
import triton
import triton.language as tl
from torch._inductor.runtime import triton_helpers, triton_heuristics
from torch._inductor.runtime.hints import AutotuneHint, ReductionHint, TileHint, DeviceProperties
triton_helpers.set_driver_to_gpu()


@triton.jit
def _triton_helper_fn_add0(arg0_0, arg1_0):
    tmp0 = arg0_0 + arg1_0
    return tmp0

@triton_heuristics.{heuristic}(
    size_hints={{'x': 64, 'r0_': 512}},
    reduction_hint=ReductionHint.INNER,
    filename=__file__,
    triton_meta={{'signature': {{'in_out_ptr0': '*bf16', 'xnumel': 'i32', 'XBLOCK': 'constexpr'}}}},
    inductor_meta={{'kernel_name': '{name}', 'mutated_arg_names': ['in_out_ptr0']}}
)
@triton.jit
def {name}({arguments}):
    xnumel = 64
    tl.store(out_ptr0 + (xindex), tmp0, xmask)
"""


def source(
    folder: Path, file: str, name: str, arguments: str, heuristic: str = "persistent_reduction"
) -> Path:
    path = folder / file
    path.write_text(SOURCE.format(name=name, arguments=arguments, heuristic=heuristic), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "arguments", "letters"),
    [
        (
            "triton_poi_fused_add_0",
            "in_ptr0, in_ptr1, out_ptr0, xnumel, XBLOCK : tl.constexpr",
            "iio",
        ),
        (
            "triton_red_fused_native_group_norm_3",
            "in_out_ptr0, in_ptr0, out_ptr0, out_ptr1, xnumel, r0_numel, XBLOCK : tl.constexpr",
            "bioo",
        ),
        ("triton_poi_fused_mul_1", "in_ptr0, ks0, out_ptr0, ynumel, xnumel, YBLOCK : tl.constexpr", "io"),
        ("triton_tem_fused_addmm_2", "in_ptr0, arg_A, arg_B, out_ptr0", "iiio"),
        ("triton_tem_fused_convolution_5", "arg_X, arg_W, out_ptr0", "iio"),
        ("triton_tem_fused_flex_attention_4", "arg_Q, arg_K, arg_V, arg_LSE, out_ptr0", "iiioo"),
        ("triton_red_fused_sum_6", "in_ptr0, out_ptr0, ws_ptr, semaphores_ptr, xnumel", "iow?"),
    ],
)
def test_the_letters_of_a_kernels_pointers(tmp_path: Path, name: str, arguments: str, letters: str) -> None:
    path = source(tmp_path, "cabc2.py", name, arguments)
    assert argument_roles([path])["cabc2"] == letters


def test_templates_are_known_by_name_too_where_all_of_a_name_are_alike(tmp_path: Path) -> None:
    """The profiler records no hash with their launches."""
    paths = [
        source(tmp_path, "ca.py", "triton_tem_fused_mm_0", "arg_A, arg_B, out_ptr0"),
        source(tmp_path, "cb.py", "triton_tem_fused_mm_0", "arg_A, arg_B, out_ptr1"),
        source(tmp_path, "cc.py", "triton_tem_fused_addmm_1", "arg_A, arg_B, in_ptr2, out_ptr0"),
        source(tmp_path, "cd.py", "triton_tem_fused_addmm_1", "in_ptr0, arg_A, arg_B, in_ptr2, out_ptr0"),
        source(tmp_path, "ce.py", "triton_poi_fused_add_0", "in_ptr0, out_ptr0"),
    ]
    roles = argument_roles(paths)
    assert roles.pop("triton_tem_fused_mm_0") == "iio"
    assert roles == {"ca": "iio", "cb": "iio", "cc": "iiio", "cd": "iiiio", "ce": "io"}


def test_attention_that_is_not_asked_for_its_sums_does_not_write_them(tmp_path: Path) -> None:
    name = "triton_tem_fused_flex_attention_0"
    arguments = "arg_Q, arg_K, arg_V, arg_LSE, arg_MAX, arg_KV_NUM_BLKS, arg_KV_IDX, out_ptr0"
    path = source(tmp_path, "cf.py", name, arguments)
    assert argument_roles([path])[name] == "iiiooiio"
    path.write_text(path.read_text() + "    OUTPUT_LOGSUMEXP : tl.constexpr = False\n")
    assert argument_roles([path])[name] == "iiiwwiio"


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    kernel = source(tmp_path, "ckernel.py", "triton_poi_fused_0", "in_ptr0, out_ptr0")
    another = source(tmp_path, "cother.py", "my_kernel", "in_ptr0, out_ptr0")
    plain = tmp_path / "cplain.py"
    plain.write_text("def triton_poi_fused_0(in_ptr0, out_ptr0):\n    pass\n", encoding="utf-8")
    binary = tmp_path / "cbinary.py"
    binary.write_bytes(bytes(range(256)))
    large = tmp_path / "clarge.py"
    large.write_text(kernel.read_text(encoding="utf-8") + "#" * (1 << 20), encoding="utf-8")
    sources = [kernel, another, plain, binary, large, tmp_path, tmp_path / "none.py"]
    assert argument_roles(sources) == {"ckernel": "io"}


def test_sources_are_those_that_loaded_code_names(tmp_path: Path) -> None:
    """In torch's own cache of generated code: its modules name their kernels' files in comments."""
    before = kernel_sources()
    first = source(tmp_path, "cfirst.py", "triton_poi_fused_0", "in_ptr0, out_ptr0")
    second = tmp_path / "a folder" / "csecond.py"
    code = (
        "# AOT ID: ['0_inference']\n"
        f"# kernel path: {first}\n"
        "# Topologically Sorted Source Nodes: [add], Original ATen: [aten.add]\n"
        "triton_poi_fused_0 = None  # async_compile.triton('triton_poi_fused_0', '''...''')\n\n"
        f"# kernel path: {second}\n"
        f"text = 1  # kernel path: {tmp_path}/cthird.py\n"
    )
    module = PyCodeCache.load(code)
    try:
        assert kernel_sources() - before == {first, second}
        assert argument_roles(kernel_sources() - before) == {"cfirst": "io"}
    finally:
        PyCodeCache.modules.remove(module)
