"""Attempts under way: each lands by itself, so that what was sent is journalled whatever becomes of its asker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from polyjudge.llm.lines import Place
from polyjudge.llm.request import Reply


class Landings:
    """The attempts of a client by the journal's key, each in a task of its own."""

    def __init__(self) -> None:
        self._by_key: dict[str, asyncio.Task[Reply]] = {}
        self._sent: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Reply]] = set()

    async def land(self, key: str, attempt: Coroutine[Any, Any, Reply], landed: Callable[[], None]) -> Reply:
        """Start an attempt and wait for its end; once it is sent, it goes on when who waits is cancelled.

        Args:
            key: the journal's; it has no attempt under way.
            attempt: what is done; it calls ``sent`` just before it sends.
            landed: called at its end, even if it was cancelled before it began.
        """
        task = self._by_key[key] = asyncio.create_task(attempt)
        self._tasks.add(task)
        task.add_done_callback(partial(self._landed, key))
        task.add_done_callback(lambda _: landed())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task not in self._sent:
                task.cancel()
            raise

    def sent(self) -> None:
        """To be called by an attempt: from now on it is paid."""
        task = asyncio.current_task()
        if task is not None:
            self._sent.add(task)

    def under_way(self, key: str) -> asyncio.Task[Reply] | None:
        """The attempt of a key that was sent and has not landed, if there is one."""
        task = self._by_key.get(key)
        return task if task in self._sent else None

    @asynccontextmanager
    async def hold(self, place: Place, key: str) -> AsyncIterator[Place]:
        """Hold a place; an attempt that outlives its asker keeps it until it has landed."""
        try:
            yield place
        finally:
            task = self._by_key.get(key)
            if task is None:
                place.give()
            else:
                task.add_done_callback(lambda _: place.give())

    async def wait(self) -> None:
        """Wait until all have landed; who is cancelled meanwhile ends them."""
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            await self.end()
            raise

    async def end(self) -> None:
        """End all attempts now, as at the user's own interrupt."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _landed(self, key: str, task: asyncio.Task[Reply]) -> None:
        self._tasks.discard(task)
        self._sent.discard(task)
        if self._by_key.get(key) is task:
            del self._by_key[key]
        if not task.cancelled():
            # Told to the asker, if there still is one; asyncio complains about errors that nobody has looked at.
            task.exception()
