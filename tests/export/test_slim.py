"""A part of a trace: its sums are those of the whole for that part, and no digit of it changes."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from sdtrace.analysis import Options, analyze
from sdtrace.analysis.part import Part
from sdtrace.analysis.study import Study
from sdtrace.attribution.op_table import OpRow, OpTimes, for_table, op_table
from sdtrace.errors import OutputError, UnreadableTrace, UsageError
from sdtrace.export.part import Selection
from sdtrace.export.slim import Slimmed, write_slim
from sdtrace.trace import load_trace
from sdtrace.trace.part_of import KEY
from tests.export.perfetto_page import ask, import_errors, perfetto
from tests.fields import FIELD
from tests.loaded import report_of, study_of
from tests.shared import shared_trace

TRACES = Path(__file__).parents[2] / "traces"
EAGER = TRACES / "h200-fp32_eager.json"
GRAPHS = TRACES / "h200-bf16_sdpa_cudagraphs.json"
COLD = TRACES / "h200-bf16_sdpa_regional.cold.json.gz"
STACK = TRACES / "h200-bf16_sdpa_eager.stack.json.gz"
FIRST, SECOND = Selection(iteration=0), Selection(iteration=1)
Event = dict[str, Any]


def content(path: Path) -> dict[str, Any]:
    """A trace with numbers as they are written, and so `1.50` apart from `1.5`."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    found = json.loads(text, parse_float=lambda digits: f"float {digits}")
    return found if isinstance(found, dict) else {"traceEvents": found}


def events_of(path: Path) -> list[Event]:
    events: list[Event] = content(path)["traceEvents"]
    return events


def sums(study: Study) -> tuple[int, int, int]:
    """GPU time, pieces of GPU work and launches, of a whole trace."""
    work = study.linked.work
    launches = np.unique(work.launch[work.launch >= 0])
    return int(study.trace.dur_ns[work.row].sum()), len(work.row), len(launches)


def without_ranges(rows: Sequence[OpRow]) -> dict[Any, OpRow]:
    """Rows by what they are of, without device ranges, which parts of a report have none of."""
    return {row[:3]: row for row in rows if row.device_type == "cpu" or not row.is_user_annotation}


def rows_of_iteration(study: Study, number: int) -> list[OpRow]:
    iterations, linked = study.structure.iterations, for_table(study.linked, OpTimes.TRUE)
    host = iterations.at(linked.host.start_ns) == number
    work = iterations.at(study.structure.launches.called_ns) == number
    return op_table(linked, OpTimes.TRUE, host_mask=host, work_mask=work)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        (EAGER, 0),
        (EAGER, 1),
        (GRAPHS, 1),
        (COLD, 2),
        ("third_party/hta_mi250_rocm62_training.json.gz", 0),
        ("third_party/hta_cpu_only.json.gz", 0),
        ("third_party/hta_ns_resolution_v100.json.gz", 1),
        ("wild/lora_train.json.gz", 1),
        # Marks inside an image, which would pass for iterations where there is only one image.
        ("wild/cfg_parallel.rank0.json.gz", 1),
    ],
    ids=lambda value: str(value).rpartition("/")[2],
)
def test_an_iteration_has_the_sums_that_the_report_gives_it(
    source: Path | str, number: int, tmp_path: Path
) -> None:
    path = shared_trace(source) if isinstance(source, str) else source
    whole, target = study_of(path), tmp_path / "part.json"
    write_slim(path, target, Selection(iteration=number))
    part, facts = study_of(target), whole.iterations[number]
    assert sums(part) == (facts.gpu_ns, facts.gpu_events, facts.launches)
    assert without_ranges(part.op_rows(OpTimes.TRUE)) == without_ranges(rows_of_iteration(whole, number))
    # It is found again as one iteration of the same length.
    assert [(row.name, row.host_wall_ns) for row in part.iterations] == [(facts.name, facts.host_wall_ns)]
    assert part.losses.launches_without_work <= whole.losses.launches_without_work
    again = tmp_path / "again.json.gz"
    write_slim(target, again, FIRST)
    assert sums(study_of(again)) == sums(part)


def test_a_phase_has_the_sums_that_the_report_gives_it(tmp_path: Path) -> None:
    whole, target = study_of(COLD), tmp_path / "steady.json.gz"
    write_slim(COLD, target, Selection(phase="steady"))
    part, facts = study_of(target), whole.phase_rows["steady"]
    assert sums(part)[:2] == (facts.gpu_ns, facts.gpu_events)
    assert without_ranges(part.op_rows(OpTimes.TRUE)) == without_ranges(
        whole.op_rows(OpTimes.TRUE, Part("steady"))
    )
    assert part.labels == ["steady", "steady"]


def test_work_that_runs_on_after_the_end_goes_with_its_launch(tmp_path: Path) -> None:
    source = FIELD / "host_ahead_of_device.json"
    whole, target = study_of(source), tmp_path / "part.json"
    late = whole.trace.start_ns[whole.linked.work.row] >= whole.structure.iterations.end_ns[1]
    number = whole.structure.iterations.at(whole.structure.launches.called_ns)
    assert (late & (number == 1)).any()
    write_slim(source, target, SECOND)
    facts = whole.iterations[1]
    assert sums(study_of(target)) == (facts.gpu_ns, facts.gpu_events, facts.launches)


def test_options_combine(tmp_path: Path) -> None:
    second = study_of(EAGER).iterations[1]
    middle = second.start_ns + second.host_wall_ns // 2
    halves = [
        Selection(to_ns=middle, iteration=1, phase="steady"),
        Selection(from_ns=middle, iteration=1),
    ]
    parts = []
    for number, half in enumerate(halves):
        target = tmp_path / f"{number}.json"
        write_slim(EAGER, target, half)
        parts.append(sums(study_of(target)))
    assert tuple(map(sum, zip(*parts, strict=True))) == (second.gpu_ns, second.gpu_events, second.launches)
    assert all(0 < part[1] < second.gpu_events for part in parts)


def test_what_is_kept_keeps_every_digit_and_its_order(tmp_path: Path) -> None:
    target = tmp_path / "part.json"
    done = write_slim(EAGER, target, SECOND)
    before, after = map(events_of, (EAGER, target))
    assert done == Slimmed(len(after), len(before), EAGER.stat().st_size, target.stat().st_size)
    left = iter([json.dumps(event) for event in before])
    # The profiler's own span lasts longer and is cut; all else is as it was.
    kept = [event for event in after if event.get("cat") != "Trace"]
    assert len(kept) == len(after) - 1
    assert all(json.dumps(event) in left for event in kept)
    beside = {**content(target), "traceEvents": 0}
    (noted,) = beside.pop(KEY)["iterations"]
    assert noted["name"] == "model_inference"
    assert beside == {**content(EAGER), "traceEvents": 0}


def test_flows_stay_with_both_their_ends(tmp_path: Path) -> None:
    target = tmp_path / "part.json"
    write_slim(EAGER, target, SECOND)
    before, after = map(events_of, (EAGER, target))
    places = {(event["pid"], event["tid"], event["ts"]) for event in after if event["ph"] == "X"}
    expected = [e for e in before if e["ph"] in "sf" and (e["pid"], e["tid"], e["ts"]) in places]
    assert [event for event in after if event["ph"] in "sf"] == expected
    loose = [
        {e["id"] for e in es if e["ph"] == "s"} - {e["id"] for e in es if e["ph"] == "f"}
        for es in (before, after)
    ]
    assert loose[1] <= loose[0]
    assert [e for e in before if e["ph"] == "M"] == [e for e in after if e["ph"] == "M"]


def _annotated(path: Path) -> Path:
    """The eager trace with an annotation and a device range of it around both images."""
    trace = json.loads(EAGER.read_bytes())
    marks = [event for event in trace["traceEvents"] if event.get("name") == "model_inference"]
    host, device = (
        [e for e in marks if e["cat"] == cat] for cat in ("user_annotation", "gpu_user_annotation")
    )
    for first, last in (host, device):
        end = last["ts"] + last["dur"] + 1000
        around = {**first, "name": "session", "ts": first["ts"] - 50, "dur": round(end - first["ts"] + 50, 3)}
        trace["traceEvents"].insert(0, {**around, "args": {"External id": 999_999}})
    path.write_text(json.dumps(trace))
    return path


def test_an_annotation_around_the_part_is_cut_to_it_and_the_iteration_is_found(tmp_path: Path) -> None:
    source, target = _annotated(tmp_path / "source.json"), tmp_path / "part.json"
    whole = study_of(source)
    write_slim(source, target, SECOND)
    part = study_of(target)
    assert [(row.host_wall_ns, row.gpu_ns) for row in part.iterations] == [
        (whole.iterations[1].host_wall_ns, whole.iterations[1].gpu_ns)
    ]
    named = {e["cat"]: e for e in events_of(target) if e["name"] == "session"}
    image = {e["cat"]: e for e in events_of(target) if e["name"] == "model_inference"}
    assert named["user_annotation"]["ts"] == image["user_annotation"]["ts"]
    assert named["user_annotation"]["dur"] == image["user_annotation"]["dur"]
    work = part.linked.work.row
    session = part.trace.names.index("session")
    span = np.flatnonzero((part.trace.name == session) & part.trace.in_categories({"gpu_user_annotation"}))
    assert part.trace.start_ns[span].tolist() == [part.trace.start_ns[work].min() - 1]
    assert part.trace.end_ns[span].tolist() == [part.trace.end_ns[work].max() + 1]


def test_what_starts_before_the_part_and_ends_within_it_is_left_out(tmp_path: Path) -> None:
    first = study_of(EAGER).iterations[0]
    target = tmp_path / "part.json"
    write_slim(EAGER, target, Selection(from_ns=first.start_ns + first.host_wall_ns // 2))
    names = [e["name"] for e in events_of(target) if e.get("cat") == "user_annotation"]
    assert names.count("model_inference") == 1


def test_without_python_the_report_has_the_same_numbers(tmp_path: Path) -> None:
    target = tmp_path / "plain.json.gz"
    write_slim(STACK, target, drop_python=True)
    whole, part = report_of(STACK), analyze(target, Options.of())
    assert not any(event.get("cat") == "python_function" for event in events_of(target))
    assert part.events.by_category == {
        kind: count for kind, count in whole.events.by_category.items() if kind != "python_function"
    }
    for table in ("gpu", "ops", "devices", "queue", "lost", "idle", "iterations", "phases"):
        assert getattr(part, table) == getattr(whole, table), table
    # Commands name the file, modules are Python functions, and a replay takes off what recording them cost.
    # What the CPU did while it launched nothing, only they tell.
    of_python = {"host.python", "host.silence", "host.launch_bound"}
    told_whole, told_part = (
        sorted(
            (row.id, row.title, row.evidence.partition(" It is called in ")[0])
            for row in report.findings
            if row.id not in of_python
        )
        for report in (whole, part)
    )
    assert len(told_whole) > 5
    assert told_whole == told_part
    # Names of Python functions tell attention from other products.
    before, after = ([replace(row, category="") for row in report.kernels] for report in (whole, part))
    assert before == after


def test_python_stacks_go_too(tmp_path: Path) -> None:
    trace = json.loads(EAGER.read_bytes())
    ops = [event for event in trace["traceEvents"] if event.get("cat") == "cpu_op"]
    for event in ops:
        event["args"]["Call stack"] = "train.py(3): main;nn.Module: UNet_0"
    source, target = tmp_path / "source.json", tmp_path / "plain.json"
    source.write_text(json.dumps(trace))
    write_slim(source, target, drop_python=True)
    assert b"Call stack" not in target.read_bytes()
    plain = tmp_path / "again.json"
    write_slim(EAGER, plain)
    assert [e["args"] for e in events_of(target) if e.get("cat") == "cpu_op"] == [
        e["args"] for e in events_of(plain) if e.get("cat") == "cpu_op"
    ]


@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "indented"])
@pytest.mark.parametrize("shape", ["object", "array", "packed", "compact"])
def test_every_layout_gives_the_same_events(shape: str, indent: int | None, tmp_path: Path) -> None:
    trace = json.loads(EAGER.read_bytes())
    value = trace["traceEvents"] if shape == "array" else trace
    separators = (",", ":") if shape == "compact" else None
    text = json.dumps(value, indent=indent, separators=separators).encode()
    source = tmp_path / ("source.json.gz" if shape == "packed" else "source.json")
    source.write_bytes(gzip.compress(text, 1) if shape == "packed" else text)
    write_slim(source, tmp_path / "part.json.gz", SECOND)
    write_slim(EAGER, tmp_path / "expected.json", SECOND)
    found, expected = (
        json.loads(gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes())["traceEvents"]
        for p in (tmp_path / "part.json.gz", tmp_path / "expected.json")
    )
    assert found == expected


def test_a_file_that_was_cut_or_is_damaged_becomes_valid(tmp_path: Path) -> None:
    text = EAGER.read_bytes()
    broken = text[: int(len(text) * 0.8)].replace(b'"name": "aten::empty"', b'"name": "aten::"empty""', 3)
    source, target = tmp_path / "cut.json", tmp_path / "part.json"
    source.write_bytes(broken)
    write_slim(source, target, FIRST)
    assert load_trace(source).salvaged
    assert not load_trace(target).salvaged
    names = [event["name"] for event in events_of(target)]
    assert names.count('aten::"empty"') == 3
    assert sums(study_of(target))[:2] == (
        study_of(source).iterations[0].gpu_ns,
        study_of(source).iterations[0].gpu_events,
    )


def test_numbers_with_zeros_in_front_become_valid(tmp_path: Path) -> None:
    text = EAGER.read_text()
    source, target = tmp_path / "zeros.json", tmp_path / "whole.json"
    source.write_text(re.sub(r'("External id": )(\d*7,)', r"\g<1>00\2", text))
    write_slim(source, target)
    assert source.read_text().count(": 00") > 100
    assert events_of(target) == events_of(EAGER)


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(iteration=2), "no iteration 2; iterations are 0 to 1"),
        (
            Selection(phase="compile"),
            "nothing of phase 'compile' starts in that part .*; its phases are steady",
        ),
        (Selection(from_ns=10**12), "nothing starts in that part of the trace; the trace lasts 60.5 ms"),
        (Selection(from_ns=5, to_ns=5), "--from must be before --to"),
    ],
)
def test_a_part_that_is_none(selection: Selection, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        write_slim(EAGER, tmp_path / "part.json", selection)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_or_left_half_written(tmp_path: Path) -> None:
    target = tmp_path / "part.json"
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_slim(EAGER, target, FIRST)
    bad = tmp_path / "bad.json"
    bad.write_text('{"traceEvents": []}')
    with pytest.raises(UnreadableTrace, match="holds no events"):
        write_slim(bad, target, force=True)
    assert target.read_text() == "precious"
    write_slim(EAGER, target, FIRST, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "part.json"]


_HTA = """
import os, sys
from hta.trace_analysis import TraceAnalysis
for path in sys.argv[1:]:
    analysis = TraceAnalysis(trace_files={0: path}, trace_dir=os.path.dirname(path))
    frame = analysis.t.get_trace(0)
    kernels, rows = frame[frame["stream"] >= 0], analysis.get_gpu_kernel_breakdown(visualize=False)[0]
    print("FOUND", len(kernels), len(rows))
"""


def test_hta_reads_it(tmp_path: Path) -> None:
    if find_spec("hta") is None:
        pytest.skip("HolisticTraceAnalysis is not installed beside this Python")
    target = tmp_path / "part.json.gz"
    write_slim(EAGER, target, SECOND, anonymize=True)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", _HTA, str(target)], capture_output=True, text=True, check=True, env=environment
    )
    assert f"FOUND {study_of(EAGER).iterations[1].gpu_events} " in done.stdout


def test_perfetto_loads_it_without_an_error(tmp_path: Path) -> None:
    served, part = tmp_path / "served", tmp_path / "part.json.gz"
    served.mkdir()
    write_slim(EAGER, part, SECOND, anonymize=True)
    complete = sum(event["ph"] == "X" for event in events_of(part))
    with perfetto(served) as found:
        page = found.load(part)
        assert import_errors(page) == []
        assert ask(page, "select count(*) from slice where dur >= 0 and category is not null") == [
            [str(complete)]
        ]
