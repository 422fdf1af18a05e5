"""Attempts under way: each lands by itself, so that what was sent is journalled whatever becomes of its asker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from polyjudge.llm.request import Reply


class Landings:
    """The attempts of a client by the journal's key, each in a task of its own."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Reply]] = {}

    async def land(self, key: str, attempt: Coroutine[Any, Any, Reply]) -> Reply:
        """Start an attempt and wait for its end; who is cancelled stops waiting, and the attempt goes on."""
        task = self._tasks[key] = asyncio.create_task(attempt)
        task.add_done_callback(partial(self._landed, key))
        return await asyncio.shield(task)

    def under_way(self, key: str) -> asyncio.Task[Reply] | None:
        """The attempt of a key that has not landed, if there is one."""
        return self._tasks.get(key)

    @asynccontextmanager
    async def place(self, places: asyncio.Semaphore, key: str) -> AsyncIterator[None]:
        """Hold one of ``places``; an attempt that outlives its asker keeps it until it has landed."""
        await places.acquire()
        try:
            yield
        finally:
            task = self._tasks.get(key)
            if task is None:
                places.release()
            else:
                task.add_done_callback(lambda _: places.release())

    async def wait(self) -> None:
        """Wait until all have landed; who is cancelled meanwhile ends them."""
        try:
            while self._tasks:
                await asyncio.wait(tuple(self._tasks.values()))
        except asyncio.CancelledError:
            await self.end()
            raise

    async def end(self) -> None:
        """End all attempts now, as at the user's own interrupt."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _landed(self, key: str, task: asyncio.Task[Reply]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            # Told to the asker, if there still is one; asyncio complains about errors that nobody has looked at.
            task.exception()
