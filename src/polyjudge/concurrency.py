"""Run coroutines at once; the first error cancels the others and is raised as itself, not in a group."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

# After starting so many, others get their turn: hundreds of prompts take a tenth of a second to be written.
_BREATH = 16


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in the order of ``work``."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for coroutine in work:
                tasks.append(group.create_task(coroutine))
                if len(tasks) % _BREATH == 0:
                    await asyncio.sleep(0)
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return [task.result() for task in tasks]


async def in_turn(work: Iterable[Coroutine[Any, Any, T]], take: Callable[[T], None], window: int) -> None:
    """Give the results to ``take`` in the order of ``work``; at most ``window`` are begun and not yet given."""
    waiting: deque[asyncio.Task[T]] = deque()
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                waiting.append(group.create_task(coroutine))
                if len(waiting) >= window:
                    take(await waiting.popleft())
            while waiting:
                take(await waiting.popleft())
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
