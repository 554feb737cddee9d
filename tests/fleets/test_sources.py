"""Traces from folders, patterns, lists, a web server and a server that speaks S3; facts of runs."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import sdtrace
from sdtrace.errors import UnreadableTrace, UsageError
from sdtrace.fleets import remote, sizing
from sdtrace.fleets.facts import check
from sdtrace.fleets.items import Item, Task
from sdtrace.fleets.sources import resolve
from sdtrace.fleets.task import outcome_of
from tests.cli.command import complaint, run
from tests.fleets import made


@pytest.fixture
def three(written: made.Fleet, tmp_path: Path) -> Path:
    """A folder with two traces, one in a folder below, and files that are none."""
    below = tmp_path / "traces" / "below"
    below.mkdir(parents=True)
    shutil.copy(written.traces[0], below.parent / "a.json.gz")
    shutil.copy(written.traces[1], below.parent / "b.json.gz")
    shutil.copy(written.traces[2], below / "c.json.gz")
    for name in ("a.keyavg.json.gz", "notes.txt"):
        (below.parent / name).write_bytes(b"no trace")
    return below.parent


def _names(*sources: str | Path) -> list[str]:
    found = resolve([str(source) for source in sources])
    return [item.source.rpartition("/")[2] if isinstance(item, Item) else str(item) for item in found]


def test_folders_patterns_and_lists(three: Path) -> None:
    assert _names(three) == ["a.json.gz", "b.json.gz", "c.json.gz"]
    assert _names(three / "*.json.gz", three / "a.json.gz") == ["a.json.gz", "b.json.gz"]
    listed = three / "list.txt"
    listed.write_text(f"# two\n{three / 'b.json.gz'}\n\n{three / 'below'}\n")
    assert _names(f"@{listed}") == ["b.json.gz", "c.json.gz"]
    (missing,) = _names(three / "missing.json")
    assert "cannot be looked at" in missing
    with pytest.raises(UsageError, match="cannot read the list"):
        resolve(["@missing.txt"])


@contextmanager
def _web(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(find_spec("aiohttp") is None, reason="needs sdtrace[cluster]")
def test_traces_of_a_web_server(three: Path, tmp_path: Path) -> None:
    with _web(three) as address:
        listed = tmp_path / "list.txt"
        listed.write_text(f"{address}/a.json.gz?x=1\n{address}/below/\n{address}/missing.json.gz\n")
        fleet = sdtrace.fleet(f"@{listed}", store=tmp_path / "store", workers=1)
    assert sorted(fleet.traces["trace"]) == ["a", "c"]
    assert fleet.traces["trace_id"].sort().to_list() == sorted(
        outcome_of(Task(Item(str(path)))).digest
        for path in (three / "a.json.gz", three / "below" / "c.json.gz")
    )
    assert fleet.failures["source"].to_list() == [f"{address}/missing.json.gz"]


@pytest.mark.skipif(
    find_spec("moto") is None or find_spec("obstore") is None, reason="needs moto[server] and obstore"
)
def test_traces_of_a_server_that_speaks_s3(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = import_module("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    remote._filesystem.cache_clear()
    try:
        client = import_module("boto3").client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket="traces")
        for path in sorted(three.rglob("*.json.gz")):
            client.upload_file(str(path), "traces", f"runs/{path.relative_to(three)}")
        assert _names("s3://traces/runs/*.json.gz") == ["a.json.gz", "b.json.gz"]
        store = tmp_path / "store"
        fleet = sdtrace.fleet("s3://traces/runs/", store=store, workers=1)
        assert sorted(fleet.traces["source"]) == [
            f"s3://traces/runs/{name}" for name in ("a.json.gz", "b.json.gz", "below/c.json.gz")
        ]
        again = run("fleet", "s3://traces/runs/", "-o", store, "--resume", cwd=tmp_path)
        assert "0 added, 3 there before" in again.stdout
    finally:
        server.stop()
        remote._filesystem.cache_clear()


def test_a_store_that_nobody_speaks_to_is_a_usage_error(tmp_path: Path) -> None:
    done = run("fleet", "nosuch://bucket/x.json", cwd=tmp_path)
    assert "nosuch" in complaint(done, 2)


def test_facts_come_from_the_user_the_path_and_the_trace(written: made.Fleet, tmp_path: Path) -> None:
    path = tmp_path / "node12" / "a.json.gz"
    path.parent.mkdir()
    shutil.copy(written.traces[0], path)
    pattern = r"/(?P<host>[^/]+)/[^/]+$"
    facts = outcome_of(Task(Item(str(path)), {"commit": "abc"}, pattern)).facts
    assert (facts["host"], facts["commit"], facts["day"]) == ("node12", "abc", "2026-09-21")
    told = outcome_of(Task(Item(str(path)))).facts
    assert told["host"] == made.HOSTS[0]
    handler = tmp_path / "gpu-9_1234.1790000000000.pt.trace.json"
    handler.write_text(
        '{"traceEvents":[{"ph":"X","cat":"cpu_op","name":"x","pid":1,"tid":1,"ts":1,"dur":2}]}'
    )
    found = outcome_of(Task(Item(str(handler)))).facts
    assert (found["host"], found["work"], found["day"]) == ("gpu-9", "named gpu-#_#.#", "")


@pytest.mark.parametrize(
    ("facts", "pattern", "said"),
    [
        ({"hots": "x"}, "", "no fact is called 'hots' (did you mean 'host'?)"),
        ({}, "(", "is no regular expression"),
        ({}, "host", "has no named group"),
        ({}, "(?P<node>x)", "no fact is called 'node'"),
    ],
)
def test_wrong_facts_are_told(facts: dict[str, str], pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        check(facts, pattern)


def test_there_are_as_many_workers_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "processors", lambda: 16)
    monkeypatch.setattr(sizing, "free_bytes", lambda: 10 << 30)
    small, large = Item("a.json", "", 10 << 20), Item("a.json.gz", "", 200 << 20)
    assert sizing.workers_for([small] * 100) == 16
    assert sizing.workers_for([small] * 99 + [large]) == 2
    assert sizing.workers_for([small] * 3) == 3
    assert sizing.workers_for([small] * 100, asked=40) == 40
    assert sizing.free_bytes() > 0


def test_a_source_without_traces_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (found,) = resolve([str(tmp_path / "empty")])
    assert isinstance(found, UnreadableTrace)
    assert "no traces there" in str(found)
