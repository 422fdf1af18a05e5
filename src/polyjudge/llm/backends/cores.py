"""How many threads a model in this process gets: as many as this machine has idle cores for, found by measuring."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable

# Threads that share a core are several times slower together than one alone, because they wait for each other.
_WORTH = 0.8
_MOST = 16
_WORK = bytes(1 << 20)
_ROUNDS = 8


def idle_cores(time_of: Callable[[int], float] | None = None) -> int:
    """The largest number of threads, 1 or more, that each work nearly as fast as one alone.

    Args:
        time_of: seconds that so many threads take for the same work each; None measures it, in some milliseconds.
    """
    time_of = time_of or _seconds
    usable = min(_MOST, _available())
    alone, found = time_of(1), 1
    while found < usable:
        threads = min(2 * found, usable)
        if alone < _WORTH * time_of(threads):
            break
        found = threads
    return found


def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _seconds(threads: int) -> float:
    """The best of three measurements: a moment's disturbance is no busy core."""
    return min(_once(threads) for _ in range(3))


def _once(threads: int) -> float:
    def work() -> None:
        for _ in range(_ROUNDS):
            hashlib.sha256(_WORK).digest()  # without the interpreter's lock

    team = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for one in team:
        one.start()
    for one in team:
        one.join()
    return time.perf_counter() - began
