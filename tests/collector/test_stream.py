"""A trace on its way from the worker to its file."""

from __future__ import annotations

import gzip
import json
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtrace.errors import OutputError, UsageError
from sdtrace_collector.errors import VariantFailed
from sdtrace_collector.session import _pattern
from sdtrace_collector.stream import chunks_of, pending, with_facts
from sdtrace_collector.targets import check_places, claimed, targets_for


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """The kernel refuses to let a file grow past 64 KiB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_facts_become_the_first_key_however_the_bytes_arrive(size: int) -> None:
    text = b'\n  {\n  "schemaVersion": 1, "traceEvents": [{"name": "a"}]}'
    chunks = (text[at : at + size] for at in range(0, len(text), size))
    whole = json.loads(b"".join(with_facts(chunks, b'{"note": "a\\"b"}')))
    assert list(whole) == ["sdtrace", "schemaVersion", "traceEvents"]
    assert whole["sdtrace"] == {"note": 'a"b'}


@pytest.mark.parametrize("written", [0, 1])
def test_either_pipe_may_be_the_one_torch_writes(tmp_path: Path, written: int) -> None:
    pipes = [tmp_path / "trace.json", tmp_path / "trace.json.tmp"]
    for pipe in pipes:
        os.mkfifo(pipe)
    content = os.urandom(300_000)
    writer = threading.Thread(target=pipes[written].write_bytes, args=(content,))
    writer.start()
    assert b"".join(chunks_of([str(pipe) for pipe in pipes], writer.is_alive)) == content
    writer.join()


def test_a_writer_that_dies_before_writing_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "trace.json"
    os.mkfifo(pipe)
    assert list(chunks_of([str(pipe)], lambda: False)) == []


def test_a_name_ending_in_gz_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    with pending(path) as write:
        write(iter([b"one", b"two"]))
        assert not path.exists()
    assert gzip.decompress(path.read_bytes()) == b"onetwo"


@pytest.mark.usefixtures("small_files_only")
def test_a_full_disk_leaves_the_old_file_and_no_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with (
        pytest.raises(VariantFailed, match=r"^cannot write .*a\.json: .*; nothing of this run was kept"),
        pending(path, force=True) as write,
    ):
        write(iter([bytes(100_000)]))
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"


def test_what_fails_after_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with pending(tmp_path / "a.json") as write:
            write(iter([b"whole"]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_file_of_the_user_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Whatever it is called, and even if it is a link."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "a.json.tmp").symlink_to(victim)
    with pending(tmp_path / "a.json") as write:
        write(iter([b"whole"]))
    assert victim.read_text() == "precious"
    assert (tmp_path / "a.json.tmp").is_symlink()
    assert (tmp_path / "a.json").read_text() == "whole"


def test_of_two_collectors_of_one_file_the_second_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    def two_collectors() -> None:
        with pending(path) as slow:
            slow(iter([b"sl"]))
            with pending(path) as quick:
                quick(iter([b"quick"]))
            assert path.read_text() == "quick"
            slow(iter([b"ow"]))

    with pytest.raises(VariantFailed, match=r"a\.json exists already; .*; nothing of this run was kept"):
        two_collectors()
    assert path.read_text() == "quick"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_with_force_the_last_of_two_collectors_wins_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pending(path, force=True) as slow:
        slow(iter([b"sl"]))
        with pending(path, force=True) as quick:
            quick(iter([b"quick"]))
        slow(iter([b"ow"]))
    assert path.read_text() == "slow"


def test_a_folder_holds_one_file_for_each_variant(tmp_path: Path) -> None:
    targets = targets_for(["bf16", "fp16"], tmp_path, gzip=True)
    assert targets["fp16"].trace == tmp_path / "fp16.json.gz"
    assert targets["fp16"].golden == tmp_path / "fp16.keyavg.json.gz"


def test_gzip_completes_a_plain_name(tmp_path: Path) -> None:
    assert targets_for(["bf16"], tmp_path / "a.json", gzip=True)["bf16"].trace == tmp_path / "a.json.gz"


def test_one_file_is_not_for_two_variants(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a folder"):
        targets_for(["bf16", "fp16"], tmp_path / "a.json", gzip=False)


def test_an_existing_golden_is_refused_too(tmp_path: Path) -> None:
    targets = targets_for(["bf16"], tmp_path, gzip=False)
    targets["bf16"].golden.touch()
    check_places(targets, golden=False, force=False)
    with pytest.raises(OutputError, match="exists already; pass --force"):
        check_places(targets, golden=True, force=False)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    targets = targets_for(["bf16"], tmp_path / "file" / "traces", gzip=False)
    with pytest.raises(OutputError, match="cannot be made"):
        check_places(targets, golden=False, force=False)


def test_a_file_that_another_collector_is_about_to_write_is_refused_at_once(tmp_path: Path) -> None:
    targets = targets_for(["bf16", "fp16"], tmp_path, gzip=False)
    with (
        claimed(targets.values()),
        pytest.raises(OutputError, match=r"about to write .*fp16\.json; wait"),
        claimed([targets["fp16"]]),
    ):
        pass
    with claimed(targets.values()):
        pass
    assert not list(tmp_path.iterdir())


def test_traces_of_another_run_are_not_analyzed_with_ours(tmp_path: Path) -> None:
    ours = tmp_path / "a.json"
    ours.touch()
    assert _pattern(ours, {ours}) == f"{tmp_path}/*.json"
    (tmp_path / "b.json").touch()
    assert _pattern(ours, {ours}) == str(ours)
