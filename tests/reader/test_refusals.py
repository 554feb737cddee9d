"""What is no trace is refused in one line that says why; what wants to fill the memory is stopped."""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import zstandard
from isal import igzip

from sdtrace.errors import UnreadableTrace
from sdtrace.reader import read_raw, streams
from tests.forks import parent_of

EVENT: Final = b'{"ph":"X","cat":"cpu_op","name":"a","pid":1,"tid":2,"ts":10,"dur":5}'
MIB: Final = 1 << 20
MEMORY_LIMIT: Final = 1200 * MIB


def _zipped(text: bytes) -> bytes:
    """An archive that keeps the text as it is."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("trace.json", text)
    return data.getvalue()


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "blanks": (b" \n\t\r\n", "nothing but blanks"),
    "a mark": (b"\xef\xbb\xbf", "nothing but blanks"),
    "text": (b"Self CPU time total: 1.2s\nrow, row", "not JSON"),
    "binary": (bytes(range(256)) * 40, "not JSON"),
    "zeros": (b"\0" * 5000, "holds zeros, not JSON"),
    "utf-16": ("[{}]".encode("utf-16"), "UTF-16"),
    "a number": (b"17", "not JSON"),
    "a text": (b'"traceEvents"', "not JSON"),
    "other JSON": (b'{"rows": [1, 2], "name": "x"}', "has no traceEvents"),
    "events that are no list": (b'{"traceEvents": {"a": 1}}', "has no traceEvents"),
    "events that are null": (b'{"traceEvents": null}', "has no traceEvents"),
    "a zip archive": (_zipped(b'{"traceEvents": [%s]}' % EVENT), "is a zip archive"),
    "an archive in an archive": (gzip.compress(gzip.compress(b"[%s]" % EVENT)), "compressed twice"),
    "a pickle": (pickle.dumps({"segments": []}), "Python pickle"),
    "a database": (b"SQLite format 3\0" + b"\0" * 100, "SQLite database"),
    "a page": (b"<!DOCTYPE html><html>404</html>", "HTML"),
    "a memory snapshot": (b'{"segments": [], "device_traces": [[]]}', "memory snapshot"),
    "an execution trace": (b'{"schema": "1.1.1-chakra.0.0.4", "nodes": []}', "ExecutionTraceObserver"),
    "a profile of rocprofv3": (b'{"rocprofiler-sdk-tool":[{"metadata":{"pid":908}}]}', "rocprofv3"),
    "a memory timeline, raw": (b"[[-1, 1, 37888, 7], [12, 0, 512, 3]]", "export_memory_timeline"),
    "a memory timeline": (b"[[1712195495, 1712195496], [[0, 512], [0, 1024]]]", "export_memory_timeline"),
    "a profile of speedscope": (
        b'{"$schema": "https://www.speedscope.app/file-format-schema.json"}',
        "speedscope",
    ),
    "a trace of OpenTelemetry": (b'{"resourceSpans": []}', "OpenTelemetry"),
    "our own report": (b'{"schema": "sdtrace.report/2", "traces": []}', "report of sdtrace"),
    "a trace of VizTracer": (b'{"traceEvents": [%s]}' % EVENT.replace(b"cpu_op", b"FEE"), "VizTracer"),
    "a trace of ONNX Runtime": (b"[%s]" % EVENT.replace(b"cpu_op", b"Node"), "ONNX Runtime"),
    "a trace of a browser": (b"[%s]" % EVENT.replace(b"cpu_op", b"devtools.timeline"), "Chrome"),
    "a trace of who knows what": (b"[%s]" % EVENT.replace(b"cpu_op", b"my_kind"), "'my_kind'"),
    "events that begin and end apart": (b"[%s]" % EVENT.replace(b'"X"', b'"B"'), "ph B and E"),
    "a trace of another browser": (b"[%s]" % EVENT.replace(b"cpu_op", b"v8,disabled-by-default-x"), "Chrome"),
    "a browser's, begun and ended apart": (
        b"[%s]" % EVENT.replace(b"cpu_op", b"toplevel").replace(b'"X"', b'"B"'),
        "Chrome",
    ),
    "kernels of ONNX Runtime": (
        b"[%s, %s]" % (EVENT.replace(b"cpu_op", b"Kernel"), EVENT.replace(b"cpu_op", b"Session")),
        "ONNX Runtime",
    ),
    "events without a category": (b"[%s]" % EVENT.replace(b'"cat":"cpu_op",', b""), "have no category"),
    "counters alone": (b'[{"ph":"C","name":"a","pid":1,"ts":1,"args":{"a":1}}]', "no event with a duration"),
    "events of TensorFlow": (
        b'[{"ph":"M","name":"process_name","pid":1,"args":{"name":"/job:localhost/task:0"}}, %s]'
        % EVENT.replace(b"cpu_op", b"Op"),
        "TensorFlow",
    ),
    "an old execution trace": (
        b'{"schema": "1.0.1", "nodes": [{"name": "[pytorch|profiler|execution_graph|process]"}]}',
        "ExecutionTraceObserver",
    ),
    "NCCL's flight recorder": (b'{"version": "2.4", "pg_status": {}, "entries": []}', "flight recorder"),
    "a profile of Proton": (b'[{"name": "ROOT", "frame": {"name": "ROOT"}, "children": []}]', "Proton"),
    "a list of traces": (b'[{"traceEvents": [%s]}]' % EVENT, "list of traces"),
    "events twice": (b'{"traceEvents": [%s], "traceEvents": [%s]}' % (EVENT, EVENT), "twice"),
    "an object on each line": (EVENT + b"\n" + EVENT, "JSON lines"),
    "an answer of a server": (b'{"error": {"code": 404}}', "is JSON with `error` but has no traceEvents"),
    "a log": (b"2024-05-01 10:00:00 INFO loss 0.3\n", "plain text, such as a log"),
    "a log with brackets": (b"[2024-05-01 10:00:00,123] INFO started\n", "plain text, such as a log"),
    "a log of ranks": (b"[rank0]: Traceback (most recent call last):\n", "plain text, such as a log"),
    "a pointer with a mark": (
        b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\r\n",
        "Git LFS pointer",
    ),
    "a pointer of git-annex": (b"/annex/objects/SHA256E-s1--a.json\n", "git annex get"),
    "a trace of Perfetto": (b"\n\x1f\x82\x01\x04\x08\x01" + bytes(range(64)), "Perfetto"),
    "a report of Nsight Compute": (b"NVR\0" + bytes(90), "Nsight Compute"),
    "a table in Parquet": (b"PAR1" + bytes(90), "Parquet"),
    "bzip2": (b"BZh91AY&SY", "bzip2"),
    "lz4": (b"\x04\x22\x4d\x18" + bytes(9), "lz4"),
    "lzma without a container": (lzma.compress(b"[]", format=lzma.FORMAT_ALONE), "lzma"),
    "zst in an archive": (gzip.compress(zstandard.compress(b"[]")), "compressed twice"),
    "utf-16 without a mark": ("[{}]".encode("utf-16-le"), "UTF-16"),
    "utf-32": ("[{}]".encode("utf-32"), "UTF-32"),
    "half an object": (b'{"rows": [1, 2', "not valid JSON"),
    "no events": (b'{"traceEvents": []}', "holds no events"),
    "an empty list": (b"[]", "holds no events"),
    "a list of other things": (b"[1, 2, 3]", "holds no events; 3 could not be read"),
    "a list cut at once": (b"[", "holds no events"),
    "an empty archive": (gzip.compress(b""), "cut?"),
    "an archive of text": (gzip.compress(b"hello"), "not JSON"),
    "half a header": (gzip.compress(b"[%s]" % EVENT)[:7], "cut?"),
    "an archive with a wrong checksum": (gzip.compress(b"[%s]" % EVENT)[:-8] + b"12345678", "damaged?"),
    "no archive at all": (b"\x1f\x8b" + b"hello" * 100, "damaged?"),
    "no zst at all": (b"\x28\xb5\x2f\xfd" + b"hello" * 100, "damaged?"),
    "no xz at all": (b"\xfd7zXZ\x00" + b"hello" * 100, "damaged?"),
    "xz that asks for 1.5 GiB": (
        lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1536 * MIB}]),
        "damaged?",
    ),
}


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableTrace) as caught:
        read_raw(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ".replace("\0", "\\x00"))
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_trace_is_refused_with_its_reason(what: str, tmp_path: Path) -> None:
    data, reason = REFUSED[what]
    path = tmp_path / "file.json"
    path.write_bytes(data)
    assert reason in refusal(path)


def test_folders_missing_files_and_other_archives_are_refused(tmp_path: Path) -> None:
    assert "directory" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "gone.json")
    assert "cannot be opened" in refusal(Path("a\0b"))
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(__file__, "x.py")
    assert "tar archive" in refusal(tmp_path / "x.tar")


def limited(path: Path) -> subprocess.CompletedProcess[str]:
    """Read `path` in a process that may use little memory; prints what was read or why not."""
    if sys.platform != "linux":
        pytest.skip("only Linux limits the memory a process may ask for")
    script = f"""
import pathlib, resource, sys
from sdtrace.errors import SdtraceError
from sdtrace.reader import read_raw, streams
resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY_LIMIT}, {MEMORY_LIMIT}))
try:
    raw = read_raw(pathlib.Path(sys.argv[1]))
    print("read", sum(raw.counts.values()), raw.salvaged)
except SdtraceError as error:
    print("refused", str(error).partition(": ")[2])
"""
    done = parent_of("sdtrace.reader").run(["-c", script, str(path)])
    assert done.returncode == 0, done.stderr
    return done


def packed(path: Path, pieces: list[tuple[bytes, int]]) -> Path:
    with igzip.open(path, "wb", compresslevel=1) as file:
        for piece, repeats in pieces:
            for _ in range(repeats):
                file.write(piece)
    return path


BOMBS: dict[str, list[tuple[bytes, int]]] = {
    "zeros": [(b"\0" * MIB, 300)],
    "blanks": [(b" " * MIB, 300)],
    "an object of blanks": [(b"{", 1), (b" " * MIB, 300)],
    "a list of blanks": [(b"[", 1), (b" " * MIB, 300)],
    "a list of commas": [(b"[", 1), (b"," * MIB, 300)],
    "a list of lists": [(b"[" * MIB, 300)],
    "a name without end": [(b'[{"ph":"X","name":"', 1), (b"x" * MIB, 300)],
    "a name of names": [(b'[{"ph":"X","name":"', 1), (b'"name":"' * (MIB // 8), 300)],
    "metadata without end": [(b'{"x":"', 1), (b"x" * MIB, 300)],
    "the events' key in a text without end": [(b'{"x":[', 1), (b'{"traceEvents":[]},' * (MIB // 19), 300)],
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_gzip_bomb_is_refused_in_bounded_memory(what: str, tmp_path: Path) -> None:
    done = limited(packed(tmp_path / "bomb.json.gz", BOMBS[what]))
    assert done.stdout.startswith("refused")
    assert len(done.stdout.splitlines()) == 1
    assert not done.stderr


@pytest.mark.parametrize("what", ["zeros", "blanks"])
def test_a_zstd_bomb_is_refused_in_bounded_memory(what: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.json.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        for piece, repeats in BOMBS[what]:
            for _ in range(repeats):
                writer.write(piece)
    assert limited(path).stdout.startswith("refused")


@pytest.mark.parametrize(("least", "is_refused"), [(MIB, True), (16 * MIB, False)])
def test_events_that_grow_more_than_any_trace_are_refused_once_it_matters(
    least: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bombs above meet other limits first; one event over and over meets none of them."""
    monkeypatch.setattr(streams, "_EXPANSION_MATTERS", least)
    path, count = tmp_path / "same.json.zst", 8 * MIB // len(EVENT)
    text = b'{"traceEvents":[' + b",".join([EVENT] * count) + b"]}"
    path.write_bytes(zstandard.ZstdCompressor().compress(text))
    assert len(text) > 400 * path.stat().st_size
    if is_refused:
        with pytest.raises(UnreadableTrace, match="grows more than 400 times; no trace does"):
            read_raw(path)
    else:
        assert len(read_raw(path).columns.key) == count


AFTER: dict[str, Callable[[], list[tuple[bytes, int]]]] = {
    "blanks": lambda: [(b" " * MIB, 200)],
    "zeros": lambda: [(b"\0" * MIB, 200)],
    "blanks after the end": lambda: [(b"]}", 1), (b" " * MIB, 200)],
    "a key without end": lambda: [(b'],"x":"', 1), (b"x" * MIB, 200)],
    "an event without end": lambda: [(b',{"ph":"X","name":"', 1), (b"x" * MIB, 200)],
}


@pytest.mark.parametrize("what", AFTER)
def test_what_swells_after_good_events_costs_none_of_them(what: str, tmp_path: Path) -> None:
    events = b'{"traceEvents":[' + b",".join([EVENT] * 1000)
    done = limited(packed(tmp_path / "swollen.json.gz", [(events, 1), *AFTER[what]()]))
    assert done.stdout.split() == ["read", "1000", "True"]


@pytest.mark.parametrize("start", [b"", b"[", b"[" + EVENT + b",", b'{"traceEvents":[' + EVENT + b"]"])
def test_a_sparse_file_of_ten_gigabytes_takes_no_time(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(10 << 30)
    done = limited(path)
    assert done.stdout.startswith("read 1 True" if EVENT in start else "refused")


def test_memory_is_what_the_limit_says() -> None:
    """The limit of these tests is real: asking for more than it fails."""
    if sys.platform != "linux":
        pytest.skip("only Linux limits the memory a process may ask for")
    limit = f"resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY_LIMIT}, {MEMORY_LIMIT}))"
    script = f"import resource; {limit}; bytes({2 * MEMORY_LIMIT})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
