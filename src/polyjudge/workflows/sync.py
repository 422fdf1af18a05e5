"""Run a coroutine from synchronous code, also inside a running event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine; inside a running loop, as in a notebook, it runs in another thread."""
    if not _in_a_loop():
        return asyncio.run(work)
    outcome: Future[T] = Future()
    stop: Future[Callable[[], object]] = Future()

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        stop.set_result(lambda: loop.call_soon_threadsafe(task.cancel) if task else None)
        return await work

    def work_in_thread() -> None:
        try:
            outcome.set_result(asyncio.run(stoppable()))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work_in_thread, name="polyjudge").start()
    try:
        return outcome.result()
    except BaseException:
        # The cell was interrupted; the work must not go on, and pay, unseen.
        either: list[Future[Any]] = [outcome, stop]
        wait(either, return_when=FIRST_COMPLETED)
        if not outcome.done():
            with suppress(RuntimeError):
                stop.result()()
            wait([outcome])
        raise


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
