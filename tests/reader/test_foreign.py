"""Files as people meet them: other tools' traces, pointers, names with bare backslashes, later arrays."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
import zstandard

from sdtrace.errors import UnreadableTrace
from sdtrace.reader import RawTrace, read_raw
from tests.reader.decoder import Row, read_text, rows_of

INPUTS = Path(__file__).parent / "inputs"
EVENT = {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 2, "ts": 10, "dur": 5}


def rows(name: str) -> tuple[RawTrace, list[Row]]:
    raw = read_raw(INPUTS / name)
    return raw, rows_of(raw)


def refusal(text: str, folder: Path, name: str = "trace.json") -> str:
    with pytest.raises(UnreadableTrace) as caught:
        read_text(text, folder, name)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_git_lfs_pointer_says_what_to_run(tmp_path: Path) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 3444947\n"
    message = refusal(text, tmp_path, "trace.json.gz")
    assert "Git LFS pointer" in message
    assert "git lfs pull" in message


def test_a_trace_of_jax_is_named() -> None:
    with pytest.raises(UnreadableTrace, match=r"no trace of torch.profiler.*JAX/XLA"):
        read_raw(INPUTS / "jax_xla.json")


def test_a_trace_of_torch_npu_is_named(tmp_path: Path) -> None:
    process = {"ph": "M", "name": "process_name", "pid": 3, "tid": 0, "args": {"name": "Ascend Hardware"}}
    assert "torch_npu (Ascend)" in refusal(json.dumps([EVENT, process]), tmp_path)


def test_the_autograd_profiler_of_old_says_by_its_processes_what_is_what() -> None:
    raw, found = rows("legacy_autograd_profiler.json")
    ops, kernels = ([row for row in found if row.category == kind] for kind in ("cpu_op", "kernel"))
    assert [row.dur_ns for row in ops] == [40_250] * 30
    assert [row.dur_ns for row in kernels] == [60_000] * 30
    assert (raw.counts["cpu_op"], raw.counts["kernel"], raw.skipped) == (30, 30, 0)


def test_bare_backslashes_of_windows_stand_for_themselves() -> None:
    raw, found = rows("windows_backslashes.json")
    functions = [row.name for row in found if row.category == "python_function"]
    assert len(functions) == 40
    assert "torch\\cuda\\__init__.py(219): _lazy_init" in functions
    assert sum(row.dur_ns for row in found if row.category == "kernel") == 20_000_000
    assert raw.top_level["traceName"] == ".\\result\\worker0.pt.trace.json"
    assert (raw.skipped, raw.salvaged) == (0, False)


def test_a_valid_string_keeps_its_escapes_beside_one_with_bare_backslashes(tmp_path: Path) -> None:
    event = json.dumps(EVENT | {"cat": "A\u00e9", "name": "NAME"}).replace("NAME", r"C:\new\"x\"\u12")
    row, _ = rows_of(read_text(f"[{event}, {json.dumps(EVENT)}]", tmp_path))
    assert (row.category, row.name) == ("A\u00e9", 'C:\\new"x"\\u12')


@pytest.mark.parametrize(("name", "kernels"), [("tail_minimal.json", 3), ("same_line_minimal.json", 4)])
def test_only_the_events_of_the_trace_count_and_all_of_them(name: str, kernels: int) -> None:
    raw, found = rows(name)
    assert [row.dur_ns for row in found if row.category == "kernel"] == [10_000] * kernels
    assert (raw.skipped, raw.salvaged) == (0, False)


def test_padding_after_a_stream_of_xz_and_before_the_next(tmp_path: Path) -> None:
    text = json.dumps([EVENT] * 100).encode()
    packed = lzma.compress(text[:50]) + b"\0" * 8 + lzma.compress(text[50:]) + b"\0" * 4
    raw = read_text(packed, tmp_path, "trace.json.xz")
    assert (len(rows_of(raw)), raw.salvaged) == (100, False)


def test_a_frame_of_zstd_that_holds_no_data(tmp_path: Path) -> None:
    frame = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    raw = read_text(frame + zstandard.compress(json.dumps([EVENT]).encode()), tmp_path)
    assert (len(rows_of(raw)), raw.salvaged) == (1, False)


def test_quotes_that_do_not_pair_cost_no_other_event(tmp_path: Path) -> None:
    events = [json.dumps(EVENT | {"ts": n, "name": f"op {n % 7}"}) for n in range(20_000)]
    for place in range(100, 20_000, 997):
        events[place] = events[place].replace('"op ', '"op" ')
    raw = read_text("[" + ",".join(events) + "]", tmp_path)
    found = rows_of(raw)
    assert [row.start_ns for row in found] == [1000 * n for n in range(20_000)]
    assert found[100].name == f'op" {100 % 7}'
    assert (raw.skipped, raw.salvaged) == (0, False)


def test_an_event_longer_than_any_piece_is_read(tmp_path: Path) -> None:
    name = "x" * 5_000_000
    raw = read_text(json.dumps([EVENT, EVENT | {"name": name}, EVENT]), tmp_path)
    assert [row.name for row in rows_of(raw)] == ["a", name, "a"]


def test_new_kinds_of_events_are_read_where_the_file_is_torchs(tmp_path: Path) -> None:
    events = [{**EVENT, "cat": "new_device_op"}]
    assert "is no trace of torch.profiler; its events are of kinds like 'new_device_op'" in refusal(
        json.dumps({"traceEvents": events}), tmp_path
    )
    raw = read_text(json.dumps({"schemaVersion": 1, "deviceProperties": [], "traceEvents": events}), tmp_path)
    assert [row.category for row in rows_of(raw)] == ["new_device_op"]
