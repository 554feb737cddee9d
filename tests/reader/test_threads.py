"""One thread or several: the same answer, of whole files and of cut ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sdtrace.reader import read_raw
from tests.cli.command import COLD, EAGER, GRAPHS


@pytest.mark.parametrize("path", [EAGER, GRAPHS, COLD], ids=lambda path: path.name)
@pytest.mark.parametrize("share", [1.0, 0.6], ids=["whole", "cut"])
def test_one_thread_reads_what_several_do(path: Path, share: float) -> None:
    data = path.read_bytes()
    data = data[: int(share * len(data))]
    one, two = (read_raw(path, io.BytesIO(data), threads) for threads in (1, 2))
    for ours, theirs in zip(one.columns, two.columns, strict=True):
        assert np.array_equal(ours, theirs)
    assert (one.keys, one.args, one.metadata, one.counts) == (two.keys, two.args, two.metadata, two.counts)
    assert one.salvaged == two.salvaged == (share < 1)
