"""torch's table, one event at a time, as its own Python and C++ make it: slow, and easy to check.

`torch.autograd.profiler._parse_kineto_results`, `EventList._build_tree`, and `build_tree` in
torch/csrc/profiler/collection.cpp. No python_function, no memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

HOST = {"cpu_op", "user_annotation", "cuda_runtime", "cuda_driver", "overhead"}
DEVICE = {"kernel", "gpu_memcpy", "gpu_memset", "gpu_user_annotation", "cuda_sync"}
Times = tuple[int, int, int, int, int]
"""Calls, CPU total, self CPU, device total, self device; nanoseconds."""


@dataclass(eq=False)
class Node:
    name: str
    cat: str
    start: int
    end: int
    tid: Any
    id: int
    link: int
    kernel_ns: int = 0
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def is_device(self) -> bool:
        return self.cat in DEVICE

    def device_total(self) -> int:
        return self.kernel_ns + sum(child.device_total() for child in self.children)


def torch_table(events: list[dict[str, Any]]) -> dict[tuple[str, bool, bool], Times]:
    """Rows by (name, device, annotation); times of `events` are whole microseconds."""
    nodes = [_node(event) for event in events if event["cat"] in HOST | DEVICE]
    _give_stray_events_to_the_main_thread(nodes)
    _inherit_ids(nodes)
    _attach_linked(nodes)
    _nest(nodes)
    _fold(nodes)
    return _rows(nodes)


def _node(event: dict[str, Any]) -> Node:
    args = event.get("args", {})
    external, cat = args.get("External id", 0), event["cat"]
    start, end = event["ts"] * 1000, (event["ts"] + event["dur"]) * 1000
    if cat in ("cpu_op", "user_annotation", "gpu_user_annotation"):
        own, link = external, 0
    else:
        own, link = args.get("correlation", 0), external
    if cat == "gpu_user_annotation":
        start, end = start + 1, end - 1
    return Node(event["name"], cat, start, end, event["tid"], own, link)


def _give_stray_events_to_the_main_thread(nodes: list[Node]) -> None:
    ops = Counter(node.tid for node in nodes if node.cat == "cpu_op")
    if not ops:
        return
    main = ops.most_common(1)[0][0]
    for node in nodes:
        if node.link == 0 and node.cat in ("overhead", "cuda_runtime", "cuda_driver", "gpu_user_annotation"):
            node.tid = main


def _inherit_ids(nodes: list[Node]) -> None:
    """An overhead event takes the id of what is on top of its thread's stack when it starts.

    Whatever is linked to nobody is put on a stack, the device's ranges too.
    """
    stacks: defaultdict[Any, list[Node]] = defaultdict(list)
    open_nodes: list[Node] = []
    free = [n for n in nodes if n.link == 0 and (not n.is_device or n.cat == "gpu_user_annotation")]
    for node in sorted(free, key=lambda n: n.start):
        for ended in sorted((n for n in open_nodes if n.end < node.start), key=lambda n: n.end):
            stack = stacks[ended.tid]
            if ended in stack:
                del stack[stack.index(ended) :]
            open_nodes.remove(ended)
        stack = stacks[node.tid]
        if node.cat == "overhead" and stack:
            node.id = stack[-1].id
        if node.end > node.start:
            stack.append(node)
            open_nodes.append(node)


def _attach_linked(nodes: list[Node]) -> None:
    linked: defaultdict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.link > 0:
            linked[node.link].append(node)
    for node in nodes:
        if node.is_device or node.link != 0 or not node.id:
            continue
        for other in linked.get(node.id, ()):
            if not other.is_device:
                other.tid = node.tid
            elif other.cat != "gpu_user_annotation":
                node.kernel_ns += other.end - other.start


def _nest(nodes: list[Node]) -> None:
    stacks: defaultdict[Any, list[Node]] = defaultdict(list)
    for node in sorted((n for n in nodes if not n.is_device), key=lambda n: (n.start, -n.end)):
        stack = stacks[node.tid]
        while stack and (node.start >= stack[-1].end or node.end > stack[-1].end):
            stack.pop()
        if stack:
            node.parent = stack[-1]
            stack[-1].children.append(node)
        stack.append(node)


def _fold(nodes: list[Node]) -> None:
    while True:
        doomed = [
            node
            for node in nodes
            if node.parent and node.parent.name == node.name and len(node.parent.children) == 1
        ]
        if not doomed:
            return
        for node in doomed:
            parent = node.parent
            assert parent is not None
            parent.children, parent.kernel_ns = node.children, node.kernel_ns
            for child in node.children:
                child.parent = parent
            nodes.remove(node)


def _rows(nodes: list[Node]) -> dict[tuple[str, bool, bool], Times]:
    rows: defaultdict[tuple[str, bool, bool], list[int]] = defaultdict(lambda: [0] * 5)
    for node in nodes:
        row = rows[node.name, node.is_device, node.cat in ("user_annotation", "gpu_user_annotation")]
        duration = node.end - node.start
        row[0] += 1
        if node.is_device:
            row[3] += duration
            row[4] += duration
            continue
        device = node.device_total()
        row[1] += duration
        row[2] += duration - sum(child.end - child.start for child in node.children)
        row[3] += device
        row[4] += device - sum(child.device_total() for child in node.children)
    return {key: (row[0], row[1], row[2], row[3], row[4]) for key, row in rows.items()}
