"""The collectives of one rank: what each sent, in which group, and when its device was at it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import msgspec
import numpy as np

from sdtrace.analysis.study import Study
from sdtrace.attribution.host import HostEvents
from sdtrace.intervals import Bools
from sdtrace.job.batches import with_batches
from sdtrace.job.found import Args, Found
from sdtrace.job.kinds import KINDS, dtype_of, kind_of, nbytes_of
from sdtrace.job.peers import Peer, peer_in_inputs, peer_in_parameters, peer_in_title
from sdtrace.trace import Trace

COLLECTIVE: Final = "collective"
"""The category of kernels that communicate."""
_PARAMETERS: Final = re.compile(r"^record_param_comms$")
_ANNOTATION: Final = re.compile(r"^(?:nccl|gloo|mpi|ucc|xccl|hccl):(\w.*)")
_C10D: Final = re.compile(r"^c10d::")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A collective as one rank saw it; nanoseconds in the trace's own time.

    `called_ns` is when the host called it. `start_ns` and `end_ns` are of its work on the device; of a
    collective of the CPU those of the call. `busy_ns` is its time on the device. `work` are its pieces of
    device work (indices into `LinkedTrace.work`). `peer` is the other side of a send or a receive.
    """

    kind: str
    nbytes: int | None
    dtype: str
    group: str
    group_size: int | None
    group_rank: int | None
    thread: int
    called_ns: int
    start_ns: int
    end_ns: int
    busy_ns: int
    work: tuple[int, ...]
    peer: Peer | None = None


def find_calls(study: Study) -> list[Call]:
    """Every collective of a trace, in the order in which the device began them.

    They are calls of which torch recorded the parameters, else annotations such as `nccl:all_reduce`, else
    kernels that communicate (replays of CUDA graphs, custom all-reduces).
    """
    host, trace = study.linked.host, study.trace
    is_c10d = (trace.names_matching(_C10D) | trace.names_matching(_PARAMETERS))[host.name]
    owners: dict[int, Found] = {}
    recorded = _recorded(host, trace)
    for one in recorded:
        _own(host, is_c10d, owners, one, one.event)
    found = [*recorded, *_annotated(host, trace, is_c10d, recorded, owners)]
    calls = [_call(study, one) for one in with_batches(study, found, _kernels(study, owners))]
    return sorted(calls, key=lambda call: (call.start_ns, call.called_ns))


def _recorded(host: HostEvents, trace: Trace) -> list[Found]:
    """Calls whose parameters tell the name of the collective."""
    found = []
    for event in np.flatnonzero(trace.names_matching(_PARAMETERS)[host.name]).tolist():
        args = args_of(trace, int(host.row[event]))
        name = args.get("Collective name")
        kind = kind_of(name) if isinstance(name, str) else None
        if kind is not None:
            found.append(Found(event, kind, args, [], peer_in_parameters(str(name), args)))
    return found


def _annotated(
    host: HostEvents, trace: Trace, is_c10d: Bools, recorded: Sequence[Found], owners: dict[int, Found]
) -> Iterator[Found]:
    """Annotations of collectives outside the calls found so far; the ops around them own their kernels."""
    matching = trace.names_matching(_ANNOTATION)[host.name]
    events = np.flatnonzero(matching & trace.in_categories({"user_annotation"})[host.row]).tolist()
    calls, ops = (
        _Around(host, [one.event for one in recorded]),
        _Around(host, np.flatnonzero(is_c10d).tolist()),
    )
    for event in events:
        name = _ANNOTATION.match(trace.names[host.name[event]])
        kind = kind_of(name[1]) if name else None
        if kind is None or calls.of(event) >= 0:
            continue
        one = Found(
            event,
            kind,
            args_of(trace, int(host.row[event])),
            [],
            peer_in_title(trace.names[host.name[event]]),
        )
        for op in _own(host, is_c10d, owners, one, ops.of(event)):
            args = args_of(trace, int(host.row[op]))
            one.args = max(one.args, args, key=lambda args: _largest_input(args)[0] or 0)
            one.peer = one.peer or peer_in_inputs(trace.names[host.name[op]], args)
        yield one


def _own(host: HostEvents, is_c10d: Bools, owners: dict[int, Found], one: Found, event: int) -> list[int]:
    """Note that kernels of the event, and of the `c10d` ops around it, are the call's; these events."""
    found = []
    while event >= 0 and is_c10d[event]:
        owners.setdefault(event, one)
        found.append(event)
        event = int(host.tree_parent[event])
    return found


def _kernels(study: Study, owners: Mapping[int, Found]) -> list[Found]:
    """Give each kernel that communicates to its call; those without one are calls of their own."""
    trace, work, host = study.trace, study.linked.work, study.linked.host
    is_talk = np.array([name == COLLECTIVE for name in study.categorized.categories], np.bool_)
    alone: list[Found] = []
    for piece in np.flatnonzero(is_talk[study.categorized.code]).tolist():
        event = int(work.op[piece])
        while event >= 0 and event not in owners:
            event = int(host.tree_parent[event])
        if event >= 0:
            owners[event].work.append(piece)
        else:
            kind = kind_of(trace.names[trace.name[work.row[piece]]])
            alone.append(Found(-1, kind if kind in KINDS else COLLECTIVE, {}, [piece]))
    return alone


def _call(study: Study, one: Found) -> Call:
    trace, host, work = study.trace, study.linked.host, study.linked.work
    elements, dtype = _size(one.args)
    rows = work.row[one.work]
    if one.event >= 0:
        called, thread = int(host.start_ns[one.event]), int(host.thread[one.event])
        start, end = called, called + int(host.dur_ns[one.event])
    else:
        launches = study.structure.launches
        called, thread = int(launches.called_ns[one.work[0]]), int(launches.thread[one.work[0]])
        start = end = called
    shown = rows if rows.size else work.row[one.batch]
    if shown.size:
        start, end = int(trace.start_ns[shown].min()), int(trace.end_ns[shown].max())
    size = one.args.get("Group size")
    rank = one.args.get("Rank")  # of a send or a receive that of the peer
    return Call(
        kind=one.kind,
        nbytes=None if elements is None else nbytes_of(elements, dtype),
        dtype=dtype,
        group=_group(one.args),
        group_size=size if isinstance(size, int) else None,
        group_rank=rank if isinstance(rank, int) and one.kind != "send_recv" else None,
        thread=thread,
        called_ns=called,
        start_ns=start,
        end_ns=end,
        busy_ns=int(trace.dur_ns[rows].sum()),
        work=tuple(one.work),
        peer=one.peer,
    )


def _size(args: Args) -> tuple[int | None, str]:
    """Elements of the larger of input and output, and their type as torch calls it."""
    counts = [args.get(key) for key in ("In msg nelems", "Out msg nelems")]
    known = [count for count in counts if isinstance(count, int)]
    dtype = args.get("dtype")
    if known and isinstance(dtype, str):
        return max(known), dtype_of(dtype)
    elements, spelled = _largest_input(args)
    return elements, dtype_of(spelled) if spelled else ""


def _largest_input(args: Args) -> tuple[int | None, str]:
    """Elements of the largest tensor among the inputs of an op, and its type as Kineto spells it."""
    shapes, types = args.get("Input Dims"), args.get("Input type")
    if not isinstance(shapes, Sequence) or not isinstance(types, Sequence):
        return None, ""
    sizes = [
        (prod(shape), spelled)
        for shape, spelled in zip(shapes, types, strict=False)
        if isinstance(shape, list) and shape and all(isinstance(size, int) for size in shape)
    ]
    return max(sizes, key=lambda size: size[0], default=(None, ""))


def _group(args: Args) -> str:
    """A process group by its description or name and its ranks: `default_pg [0, 1]`."""
    name, about = (args.get(f"Process Group {key}") for key in ("Name", "Description"))
    ranks = args.get("Process Group Ranks")
    shown = about if about not in (None, "", "undefined") else name
    parts = [str(part) for part in (shown, ranks) if part not in (None, "")]
    return " ".join(parts)


def args_of(trace: Trace, row: int) -> Args:
    """The arguments of an event, {} where it has none that can be read."""
    place = int(trace.args[row])
    if place < 0:
        return {}
    try:
        args = msgspec.json.decode(trace.args_texts[place])
    except (msgspec.DecodeError, RecursionError):
        return {}
    return args if isinstance(args, dict) else {}


class _Around:
    """Which of some host events is around another on its thread, the one that started last."""

    def __init__(self, host: HostEvents, events: Sequence[int]) -> None:
        self._host = host
        self._by_thread: defaultdict[int, list[int]] = defaultdict(list)
        for event in sorted(events, key=lambda event: int(host.start_ns[event])):
            self._by_thread[int(host.thread[event])].append(event)
        self._starts = {thread: host.start_ns[mine] for thread, mine in self._by_thread.items()}

    def of(self, event: int) -> int:
        """The event around `event`, -1 for none."""
        host, thread = self._host, int(self._host.thread[event])
        if thread not in self._starts:
            return -1
        start = host.start_ns[event]
        place = int(np.searchsorted(self._starts[thread], start, side="right")) - 1
        if place < 0:
            return -1
        found = self._by_thread[thread][place]
        return found if start < host.start_ns[found] + host.dur_ns[found] else -1
