"""How far the blocks of a kernel fill a card: by hand, from the card's multiprocessors and the sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sdtrace.analysis.blocks import few_blocks, filled_shares
from sdtrace.analysis.study import study_trace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.trace import load_trace
from tests.loaded import study_of
from tests.shared import shared_trace
from tests.written import call, host, kernel

CARD = {"id": 0, "name": "NVIDIA H100", "computeMajor": 9, "numSms": 132, "maxThreadsPerMultiprocessor": 2048}


def share_of(
    folder: Path, grid: list[int], threads: int, *, name: str = "gemm", us: int = 50, **more: int
) -> float:
    """The share of its time that a kernel of these sizes would take with all multiprocessors busy."""
    sizes = {"grid": grid, "block": [threads, 1, 1], **{key.replace("_", " "): n for key, n in more.items()}}
    piece = kernel(name, 3_000, us * 1_000, 1)
    piece["args"] |= sizes
    events = [host("aten::mm", 0, 2_000), call("cudaLaunchKernel", 100, 1_000, 1), piece]
    path = folder / "trace.json"
    path.write_text(json.dumps({"deviceProperties": [CARD], "traceEvents": events}), encoding="utf-8")
    study = study_trace(load_trace(path), load_rules(None))
    return float(filled_shares(study, study.linked.work.row)[0])


def test_fewer_blocks_than_multiprocessors_leave_the_others_idle(tmp_path: Path) -> None:
    assert share_of(tmp_path, [33, 2, 1], 256) == pytest.approx(0.5)
    assert share_of(tmp_path, [132, 1, 1], 256) == 1


def test_a_last_round_with_few_blocks(tmp_path: Path) -> None:
    # 2,048 threads hold 8 blocks of 256: 1,056 blocks a round, 1.5 rounds take as long as 2.
    assert share_of(tmp_path, [1584, 1, 1], 256) == pytest.approx(0.75)
    # Of 128 registers a thread the multiprocessor has 65,536: 2 blocks, 6 rounds, of which the last is full.
    assert share_of(tmp_path, [1584, 1, 1], 256, registers_per_thread=128) == 1
    # Half of the shared memory each: 2 blocks, 264 a round; 330 blocks are 1.25 rounds.
    assert share_of(tmp_path, [330, 1, 1], 256, shared_memory=116_736) == pytest.approx(0.625)


def test_what_is_short_or_communicates_needs_no_more_blocks(tmp_path: Path) -> None:
    assert share_of(tmp_path, [1, 1, 1], 32, us=4) == 1
    assert share_of(tmp_path, [1, 1, 1], 32, name="ncclDevKernel_AllGather_RING_LL") == 1


def test_group_norms_of_a_real_image_leave_half_of_the_card_idle() -> None:
    study = study_of(shared_trace("wild/bytes_eager.json.gz"))
    few = few_blocks(study)
    assert few is not None
    assert "RowwiseMoments" in few.names[0]
    # 32 groups of one image, 64 of two, on 132 multiprocessors.
    assert few.blocks in (32, 64)
    assert few.sms == 132
    assert 0 < few.lost_ns < few.ns
    shares = filled_shares(study, study.linked.work.row)
    assert np.all((shares > 0) & (shares <= 1))
