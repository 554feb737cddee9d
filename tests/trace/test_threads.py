"""One thread or several: the same answer, of whole files and of cut ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sdtrace.trace import load_trace
from tests.cli.command import COLD, EAGER, GRAPHS

COLUMNS = ("name", "category", "thread", "start_ns", "dur_ns", "external_id", "correlation", "nbytes")


@pytest.mark.parametrize("path", [EAGER, GRAPHS, COLD], ids=lambda path: path.name)
@pytest.mark.parametrize("share", [1.0, 0.6], ids=["whole", "cut"])
def test_one_thread_reads_what_several_do(path: Path, share: float) -> None:
    data = path.read_bytes()
    data = data[: int(share * len(data))]
    one, two = (load_trace(path, io.BytesIO(data), threads=threads) for threads in (1, 2))
    for name in COLUMNS:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    ours, theirs = (np.array([*trace.args_texts, ""], object)[trace.args] for trace in (one, two))
    assert np.array_equal(ours, theirs)
    assert (one.names, one.counts, one.top_level) == (two.names, two.counts, two.top_level)
    assert one.salvaged == two.salvaged == (share < 1)
