"""The same work in two reports, slower in one."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sdtrace.analysis.slower_work import slower_work
from sdtrace.model import TraceReport
from sdtrace.model.work import OpByShape
from tests.report import sample


def report(*work: tuple[str, str, float, int]) -> TraceReport:
    """A report of two steady iterations with work of (op, shape, microseconds in all, calls)."""
    return replace(sample.cold(), ops_by_shape=[shaped(*each) for each in work])


def shaped(op: str, dims: str, us: float, calls: int) -> OpByShape:
    return OpByShape(
        op=op,
        input_dims=dims,
        input_types="half",
        calls=calls,
        device_us=us,
        flops=0,
        bytes_read=None,
        bytes_written=None,
        tflops=None,
        tbps=None,
        bound=None,
        pct_of_peak=None,
        lost_us=None,
        exact=False,
    )


def names(
    base: Sequence[tuple[str, str, float, int]], after: Sequence[tuple[str, str, float, int]]
) -> list[str]:
    return list(slower_work(report(*base), report(*after)))


def test_an_op_of_the_same_shape_that_takes_longer() -> None:
    # Measured: channels_last in eager mode makes `cat` of these shapes twice as slow.
    base = [("aten::cat", "2x640x64x64, 2x320x64x64", 48.0, 10), ("aten::mm", "8x8", 900.0, 10)]
    after = [("aten::cat", "2x640x64x64, 2x320x64x64", 99.5, 10), ("aten::mm", "8x8", 930.0, 10)]
    (found,) = slower_work(report(*base), report(*after)).items()
    assert found[0] == "aten::cat 2x640x64x64, 2x320x64x64 half"
    assert (found[1][0].us, found[1][1].us, found[1][1].calls) == (24.0, 49.75, 5.0)


def test_other_shapes_other_counts_and_small_changes_are_not_the_same_work() -> None:
    base = [("aten::cat", "2x640x64x64", 48.0, 10), ("aten::mm", "8x8", 9_000.0, 10)]
    assert names(base, [("aten::cat", "4x640x64x64", 99.5, 10)]) == []
    assert names(base, [("aten::cat", "2x640x64x64", 99.5, 20)]) == []
    assert names(base[:1], [("aten::cat", "2x640x64x64", 52.0, 10)]) == []
    assert names([*base, ("aten::add", "8", 1.0, 10)], [("aten::add", "8", 2.0, 10)]) == []


def test_norms_that_a_compiler_fused_are_compared_as_one_kind() -> None:
    # Measured: 36.3 ms of fused group norms became 50.7 ms with channels_last, in other kernels.
    base = [("triton_per_fused_convolution_native_group_norm_2", "2x128x512x512", 36_300.0, 597)]
    after = [
        ("triton_red_fused_clone_convolution_native_group_norm_silu_49", "2x128x512x512", 30_700.0, 400),
        ("triton_red_fused_clone_native_group_norm_46", "2x256x512x512", 20_000.0, 317),
    ]
    assert names(base, after) == ["native_group_norm, fused"]
    assert names(after, base) == []
