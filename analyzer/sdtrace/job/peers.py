"""Who sends to whom: what a trace tells of the other side of a send or a receive."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

_SEND: Final = re.compile(r"^(?:c10d::)?_?i?send_?$", re.IGNORECASE)
_RECEIVE: Final = re.compile(r"^(?:c10d::)?_?i?recv_?$", re.IGNORECASE)
_RANKS: Final = re.compile(r"\[([\d, ]+)\]")
_TITLE: Final = re.compile(r"^\w+:(?P<name>send|recv) \d+(?:->|<-)(?P<peer>\d+)")
_RANK, _TAG = 2, 3
"""Places among the inputs of `c10d::send(tensors, group, rank, tag)` and of `c10d::recv_`."""


class Peer(NamedTuple):
    """The other side of a send or a receive: its rank, and the tag, 0 where there is none."""

    rank: int
    is_send: bool
    tag: int = 0


def peer_in_parameters(name: str, args: Mapping[str, Any]) -> Peer | None:
    """The peer in the arguments of `record_param_comms`; None for other collectives, and if it is not told.

    `Dst Rank` and `Src Rank` are numbers in the job. torch that writes neither puts the place of the peer in
    the group into `Rank`.

    >>> peer_in_parameters("send", {"Dst Rank": 3})
    Peer(rank=3, is_send=True, tag=0)
    >>> peer_in_parameters("recv", {"Rank": 1, "Process Group Ranks": "[4, 6]"}).rank
    6
    """
    is_send = _is_send(name)
    if is_send is None:
        return None
    told = args.get("Dst Rank" if is_send else "Src Rank")
    if isinstance(told, int):
        return Peer(told, is_send)
    place, members = args.get("Rank"), members_of(str(args.get("Process Group Ranks", "")))
    if isinstance(place, int) and 0 <= place < len(members):
        return Peer(members[place], is_send)
    return None


def peer_in_inputs(name: str, args: Mapping[str, Any]) -> Peer | None:
    """The peer among the inputs of an op, which a profile with `record_shapes=True` keeps.

    It is the place of the peer in its group, and is taken for its number in the job.

    >>> peer_in_inputs("c10d::recv_", {"Concrete Inputs": ["", "", "2", "0"]})
    Peer(rank=2, is_send=False, tag=0)
    """
    is_send, inputs = _is_send(name), args.get("Concrete Inputs")
    if is_send is None or not isinstance(inputs, Sequence) or len(inputs) <= _TAG:
        return None
    rank, tag = inputs[_RANK], inputs[_TAG]
    if not (isinstance(rank, str) and rank.isdecimal()):
        return None
    return Peer(int(rank), is_send, int(tag) if isinstance(tag, str) and tag.isdecimal() else 0)


def peer_in_title(name: str) -> Peer | None:
    """The peer in the name of an annotation of NCCL; it is the place in the group, taken for the number.

    >>> peer_in_title("nccl:send 0->1"), peer_in_title("nccl:recv 2<-1")
    (Peer(rank=1, is_send=True, tag=0), Peer(rank=1, is_send=False, tag=0))
    """
    found = _TITLE.match(name)
    return Peer(int(found["peer"]), found["name"] == "send") if found else None


def members_of(group: str) -> list[int]:
    """The ranks in what a trace calls a group: [0, 1] of `default_pg [0, 1]`; [] where it names none."""
    found = _RANKS.search(group)
    return [int(text) for text in found[1].split(",") if text.strip()] if found else []


def _is_send(name: str) -> bool | None:
    if _SEND.match(name):
        return True
    return False if _RECEIVE.match(name) else None
