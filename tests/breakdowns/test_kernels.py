from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from sdtrace.breakdowns.categories import categorize
from sdtrace.breakdowns.kernels import categorize_work, category_rows, kernel_rows
from sdtrace.breakdowns.rules import KernelKey, load_rules
from tests.loaded import linked_of
from tests.shared import shared_trace
from tests.written import Event, call, host, kernel, written

RULES = load_rules()


def launched(name: str, at: int, dur: int, number: int) -> list[Event]:
    return [call("cudaLaunchKernel", at, 5, number), kernel(name, at + 10, dur, number)]


def test_kernels_are_summed_by_name_with_exact_extremes(tmp_path: Path) -> None:
    events = [host("aten::mm", 0, 1)]
    for number, dur in enumerate([30, 10, 20]):
        events += launched("sgemm", 100 * number, dur, number + 1)
    events += launched("relu_kernel", 900, 70, 9)
    linked = written(tmp_path / "t.json", events)
    first, second = kernel_rows(linked, categorize_work(linked, RULES))
    assert (first.name, first.calls, first.total_ns, first.min_ns, first.max_ns) == (
        "relu_kernel",
        1,
        70,
        70,
        70,
    )
    assert (second.name, second.calls, second.total_ns, second.min_ns, second.max_ns) == (
        "sgemm",
        3,
        60,
        10,
        30,
    )
    assert second.category == "gemm"


def test_a_mask_limits_rows_to_part_of_the_work(tmp_path: Path) -> None:
    events = [*launched("sgemm", 0, 30, 1), *launched("sgemm", 100, 10, 2), *launched("other", 200, 5, 3)]
    linked = written(tmp_path / "t.json", events)
    categorized = categorize_work(linked, RULES)
    mask = linked.trace.dur_ns[linked.work.row] == 10
    assert [(row.name, row.calls, row.total_ns) for row in kernel_rows(linked, categorized, mask)] == [
        ("sgemm", 1, 10)
    ]
    assert [(row.category, row.calls) for row in category_rows(linked, categorized, mask)] == [("gemm", 1)]
    assert kernel_rows(linked, categorized, ~np.ones_like(mask)) == []
    assert category_rows(linked, categorized, ~np.ones_like(mask)) == []


def test_a_name_in_several_categories_shows_where_its_time_is(tmp_path: Path) -> None:
    events = [
        *[host("aten::cudnn_convolution", 0, 50), *launched("nvjet_tst_64x8", 10, 100, 1)],
        *[host("aten::mm", 200, 50), *launched("nvjet_tst_64x8", 210, 300, 2)],
    ]
    linked = written(tmp_path / "t.json", events)
    categorized = categorize_work(linked, RULES)
    assert [(row.calls, row.category) for row in kernel_rows(linked, categorized)] == [(2, "gemm")]
    rows = {row.category: row.gpu_ns for row in category_rows(linked, categorized)}
    assert rows == {"gemm": 300, "convolution": 100}


def test_what_surrounds_the_launch_counts(tmp_path: Path) -> None:
    gemm = "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize128x128x8"
    events = [
        *[host("nn.Module: Attention_0", 0, 100, "python_function"), host("aten::baddbmm", 10, 50)],
        *launched(gemm, 20, 7, 1),
        *[host("nn.Module: Linear_0", 200, 100, "python_function"), host("aten::baddbmm", 210, 50)],
        *launched(gemm, 220, 11, 2),
    ]
    linked = written(tmp_path / "t.json", events)
    rows = {row.category: row.gpu_ns for row in category_rows(linked, categorize_work(linked, RULES))}
    assert rows == {"attention_math": 7, "gemm": 11}


def test_a_trace_without_device_work_has_no_rows(tmp_path: Path) -> None:
    linked = written(tmp_path / "t.json", [host("aten::mm", 0, 10)])
    categorized = categorize_work(linked, RULES)
    assert kernel_rows(linked, categorized) == []
    assert category_rows(linked, categorized) == []


def test_rows_of_a_real_trace_agree_with_plain_counting() -> None:
    linked = linked_of(shared_trace("reference/bf16_sdpa_graphs.warm.json.gz"))
    trace, row = linked.trace, linked.work.row
    calls = Counter(trace.names[number] for number in trace.name[row].tolist())
    found = categorize_work(linked, RULES)
    rows = kernel_rows(linked, found)
    assert {item.name: item.calls for item in rows} == calls
    assert sum(item.total_ns for item in rows) == trace.dur_ns[row].sum()
    assert [item.total_ns for item in rows] == sorted((item.total_ns for item in rows), reverse=True)
    for place in range(0, len(row), 997):
        op = int(linked.work.op[place])
        key = KernelKey(
            trace.categories[trace.category[row[place]]],
            trace.names[trace.name[row[place]]],
            trace.names[linked.host.name[op]] if op >= 0 else "",
            "",
        )
        assert found.categories[int(found.code[place])] == categorize([key], RULES)[0]
