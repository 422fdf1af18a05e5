"""From synchronous code into the asynchronous core; the one place where an event loop is started."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

# A call makes hundreds of objects and hardly a cycle; by default every seventh call would be searched for some.
_BETWEEN_COLLECTIONS = 50_000


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine; inside a running loop (a notebook) it runs in a thread of its own."""
    if not _in_a_loop():
        return _run(work)
    outcome: Future[T] = Future()
    stop: Future[Callable[[], object]] = Future()

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        stop.set_result(lambda: loop.call_soon_threadsafe(task.cancel) if task else None)
        return await work

    def work_in_thread() -> None:
        try:
            outcome.set_result(_run(stoppable()))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work_in_thread, name="polyjudge").start()
    try:
        return outcome.result()
    except BaseException:
        # An interrupted cell: the work must not go on unseen, and pay.
        either: list[Future[Any]] = [outcome, stop]
        wait(either, return_when=FIRST_COMPLETED)
        if not outcome.done():
            with suppress(RuntimeError):
                stop.result()()
            wait([outcome])
        raise


def _run(work: Coroutine[Any, Any, T]) -> T:
    with _rare_collections():
        return asyncio.run(work)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for unreachable cycles seldom, and not among what was there before: each look holds up every call."""
    threshold = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_BETWEEN_COLLECTIONS, *threshold[1:])
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
