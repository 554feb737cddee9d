"""How well the blocks of kernels fill the card, from how each was launched."""

from __future__ import annotations

import re
from math import ceil, prod
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sdtrace.analysis.device_facts import major
from sdtrace.analysis.study import Study
from sdtrace.attribution.host import sum_by
from sdtrace.findings import FewBlocks
from sdtrace.intervals import Int64s
from sdtrace.phases.timeline import STEADY
from sdtrace.waiting.queue import SHORT_NS

Floats = NDArray[np.float64]
_WARP: Final = 32
_MOST_BLOCKS: Final = 32
"""A multiprocessor of NVIDIA's takes so many blocks at most."""
_MOST_THREADS, _REGISTERS, _SHARED = 2_048, 65_536, 233_472
"""What a multiprocessor of an H100 has; used where the trace does not tell."""
_TALKS: Final = re.compile("nccl|rccl|nvshmem|symm_mem", re.IGNORECASE)
"""Kernels that send and receive need few blocks."""
_NEARLY_FULL: Final = 0.9
_MOST_ROUNDS: Final = 4
"""From here on the last round matters little."""


class _Card(NamedTuple):
    sms: int
    threads: int
    registers: int
    shared: int


def few_blocks(study: Study) -> FewBlocks | None:
    """Steady kernels whose blocks do not fill the card; None where there are none, or nothing tells."""
    row = study.linked.work.row[study.phases.work_mask(STEADY)]
    share, card = filled_shares(study, row), _card(study)
    trace = study.trace
    few = np.flatnonzero(share < 1)
    if card is None or not few.size:
        return None
    dur_ns, name = trace.dur_ns[row[few]], trace.name[row[few]].astype(np.int64)
    lost_ns = np.rint(dur_ns * (1 - share[few])).astype(np.int64)
    by_name = sum_by(name, lost_ns, len(trace.names))
    names = [int(number) for number in np.argsort(-by_name, kind="stable")[:5] if by_name[number]]
    texts, which = np.unique(trace.args[row[few]], return_inverse=True)
    blocks = np.array([_blocks(trace.args_texts[number]) for number in texts.tolist()])[which]
    return FewBlocks(
        ns=int(dur_ns.sum()),
        few_ns=int(dur_ns[blocks < card.sms].sum()),
        lost_ns=int(lost_ns.sum()),
        names=[trace.names[number] for number in names],
        blocks=int(np.median(blocks[name == names[0]])),
        sms=card.sms,
    )


def filled_shares(study: Study, rows: Int64s) -> Floats:
    """The share of its time that the work of each trace row would take with all multiprocessors busy.

    1 where that is unknown, for kernels of less than 5 us, for communication, and for what fills the card.
    """
    trace, card = study.trace, _card(study)
    if card is None or not trace.args_texts:
        return np.ones(len(rows))
    computes = trace.in_categories({"kernel"})[rows] & ~trace.names_matching(_TALKS)[trace.name[rows]]
    place = np.where(computes, trace.args[rows], -1)
    used = np.unique(place[place >= 0])
    shares = np.ones(len(trace.args_texts) + 1)
    shares[used] = [_share(trace.args_texts[number], card) for number in used.tolist()]
    found = shares[place]
    return np.where((trace.dur_ns[rows] >= SHORT_NS) & (found < _NEARLY_FULL), found, 1.0)


def _card(study: Study) -> _Card | None:
    """The first device; None where the trace does not count its multiprocessors."""
    device = study.trace.device
    if major(device) is None:  # Others count their units in another way.
        return None
    sms = device.get("numSms")
    if not isinstance(sms, int) or sms <= 0:
        return None
    return _Card(
        sms,
        _known(device.get("maxThreadsPerMultiprocessor"), _MOST_THREADS),
        _known(device.get("regsPerMultiprocessor"), _REGISTERS),
        _known(device.get("sharedMemPerMultiprocessor"), _SHARED),
    )


def _known(value: object, usual: int) -> int:
    return value if isinstance(value, int) and value > 0 else usual


def _blocks(text: str) -> int:
    return _product(_args(text).get("grid"))


def _share(text: str, card: _Card) -> float:
    """Busy multiprocessors, as a mean over the rounds in which a kernel's blocks run."""
    args = _args(text)
    blocks, threads = _product(args.get("grid")), _product(args.get("block"))
    if not blocks or not threads:
        return 1.0
    if blocks < card.sms:
        return blocks / card.sms
    rounds = blocks / (card.sms * _resident(args, threads, card))
    return rounds / ceil(rounds) if 1 < rounds <= _MOST_ROUNDS else 1.0


def _resident(args: dict[str, Any], threads: int, card: _Card) -> int:
    """So many blocks of a kernel fit one multiprocessor at a time."""
    whole = _WARP * ceil(threads / _WARP)
    limits = [_MOST_BLOCKS, card.threads // whole]
    registers, shared = args.get("registers per thread"), args.get("shared memory")
    if isinstance(registers, int) and registers > 0:
        limits.append(card.registers // (registers * whole))
    if isinstance(shared, int) and shared > 0:
        limits.append(card.shared // shared)
    return max(1, min(limits))


def _args(text: str) -> dict[str, Any]:
    try:
        args = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return args if isinstance(args, dict) else {}


def _product(sizes: object) -> int:
    if not isinstance(sizes, list) or not all(isinstance(size, int) and size > 0 for size in sizes):
        return 0
    return prod(sizes)
