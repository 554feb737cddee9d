"""Which process a row of a merged file belongs to, by what people write into its pid or its process name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

Pid = int | str
_TOKEN: Final = re.compile(r"[A-Za-z]+(?:[ _:#=.\-]*\d+)?")
_SEPARATORS: Final = re.compile(r"[ _:#=.\-]+")
_WORD: Final = re.compile(r"[A-Za-z]+")
_NUMBER: Final = re.compile(r"\d+")
_MOST_HOLDERS: Final = 256
"""A token that more processes share distinguishes none, and would cost time."""
_DEVICES_OF_A_HOST: Final = 32
"""Pids of the devices of one process lie closer together than this."""


def match_labels(
    hosts: Sequence[Pid], devices: Sequence[Pid], labels: Mapping[Pid, Collection[str]]
) -> list[int]:
    """For each of `devices` the index of its process among `hosts`, -1 where labels do not decide.

    `labels` holds the names that metadata gives to a pid. Tried in this order: a rank tag or another word
    that both share (`[TP00] 500` and `[TP00] 0`, `rank 1` in the process name), what stays of the pid
    without its own number (`1/500` and `1/0`), the same pid on both sides.
    """
    found = _by_tokens(
        [_tokens(_texts(pid, labels)) for pid in hosts], [_tokens(_texts(pid, labels)) for pid in devices]
    )
    if -1 not in found:
        return found
    for other in (_by_rest(hosts, devices), _by_equality(hosts, devices)):
        found = [mine if mine >= 0 else theirs for mine, theirs in zip(found, other, strict=True)]
    return found


def match_offsets(hosts: Sequence[Pid], devices: Sequence[Pid]) -> list[int]:
    """The same where a number was added to the pids of each process (`pid + rank * 100000`).

    Pids of devices then form as many groups as there are processes, and both stand in one order. Devices
    that are numbered 0, 1, ... without gaps count as one group each.
    """
    numbers = sorted(pid for pid in devices if isinstance(pid, int))
    if len(numbers) < len(devices) or not all(isinstance(pid, int) for pid in hosts):
        return [-1] * len(devices)
    gaps = [after - before > _DEVICES_OF_A_HOST for before, after in pairwise(numbers)]
    groups = list(accumulate(gaps if any(gaps) else [True] * len(gaps), initial=0))
    if not groups or groups[-1] + 1 != len(hosts):
        return [-1] * len(devices)
    group = dict(zip(numbers, groups, strict=True))
    ascending = sorted(range(len(hosts)), key=lambda host: int(hosts[host]))
    return [ascending[group[int(pid)]] for pid in devices]


def _texts(pid: Pid, labels: Mapping[Pid, Collection[str]]) -> list[str]:
    return [str(pid), *labels.get(pid, ())]


def _tokens(texts: Iterable[str]) -> set[str]:
    """Words with the number after them, and words alone, in lower case: `rank 0` is `rank0`."""
    found = (word.lower() for text in texts for word in (*_TOKEN.findall(text), *_WORD.findall(text)))
    return {_SEPARATORS.sub("", word) for word in found}


def _by_tokens(hosts: Sequence[set[str]], devices: Sequence[set[str]]) -> list[int]:
    """The host that shares most tokens, where it is one alone."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for number, tokens in enumerate(hosts):
        for token in tokens:
            holders[token].append(number)
    telling = {token: found for token, found in holders.items() if len(found) <= _MOST_HOLDERS}
    return [_best(host for token in tokens for host in telling.get(token, ())) for tokens in devices]


def _best(votes: Iterable[int]) -> int:
    ranked = Counter(votes).most_common(2)
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return -1
    return ranked[0][0]


def _by_rest(hosts: Sequence[Pid], devices: Sequence[Pid]) -> list[int]:
    """Pids as texts without their last number, or without their first."""
    for place in (-1, 0):
        rests = [_without_number(pid, place) for pid in hosts]
        times = Counter(rests)
        number = {rest: host for host, rest in enumerate(rests) if rest and times[rest] == 1}
        found = [number.get(_without_number(pid, place), -1) for pid in devices]
        if max(found, default=-1) >= 0:
            return found
    return [-1] * len(devices)


def _without_number(pid: Pid, place: int) -> str:
    text = str(pid)
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return ""
    start, end = numbers[place].span()
    return text[:start] + "#" + text[end:] if len(numbers) > 1 or end - start < len(text) else ""


def _by_equality(hosts: Sequence[Pid], devices: Sequence[Pid]) -> list[int]:
    """Where a merger wrote the rank as pid on both sides, every device's pid is a process's."""
    number = {pid: host for host, pid in enumerate(hosts)}
    if all(pid in number for pid in devices):
        return [number[pid] for pid in devices]
    return [-1] * len(devices)
