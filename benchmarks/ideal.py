"""The ideal scheduler that runs are measured against: list scheduling where nothing but latencies takes time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

PLACES = 64


@dataclass
class Node:
    """One call: how long the server took and which calls had to end before."""

    latency: float
    after: set[int] = field(default_factory=set)


def ideal(nodes: Mapping[int, Node]) -> tuple[float, float, float, float]:
    """The makespan of list scheduling, the same without foreknowledge, the longest chain, all work over the places.

    Without foreknowledge each latency counts as equal when calls are put in order, as for any real scheduler.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for number, node in nodes.items():
        for one in node.after:
            children[one].append(number)
    tail: dict[int, float] = {}
    count: dict[int, float] = {}
    for number in reversed(_ordered(nodes, children)):
        tail[number] = nodes[number].latency + max((tail[child] for child in children[number]), default=0.0)
        count[number] = 1 + max((count[child] for child in children[number]), default=0.0)
    work = sum(node.latency for node in nodes.values()) / PLACES
    return _makespan(nodes, children, tail), _makespan(nodes, children, count), max(tail.values()), work


def _makespan(nodes: Mapping[int, Node], children: Mapping[int, Sequence[int]], first: Mapping[int, float]) -> float:
    """When the last call ends, if whatever has the largest ``first`` of what could begin takes each place."""
    waits = {number: len(node.after) for number, node in nodes.items()}
    ready: list[tuple[float, int]] = []
    for number, count in waits.items():
        if not count:
            heappush(ready, (-first[number], number))
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < PLACES:
            _, number = heappop(ready)
            heappush(running, (now + nodes[number].latency, number))
        now, done = heappop(running)
        for child in children.get(done, ()):
            waits[child] -= 1
            if not waits[child]:
                heappush(ready, (-first[child], child))
    return now


def _ordered(nodes: Mapping[int, Node], children: Mapping[int, Sequence[int]]) -> list[int]:
    waits = {number: len(node.after) for number, node in nodes.items()}
    order = [number for number, count in waits.items() if not count]
    for number in order:
        for child in children[number]:
            waits[child] -= 1
            if not waits[child]:
                order.append(child)
    assert len(order) == len(nodes), "the calls wait for each other in a circle"
    return order
