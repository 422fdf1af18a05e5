"""What a run asks beside its loop: begun at once, overlapping the steps that follow, written in the steps' order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from polyjudge.runs import codec
from polyjudge.runs.store import ReplayedLines

T = TypeVar("T")


class InOrder(Generic[T]):
    """A file of lines whose making overlaps.

    Args:
        lines: the file.
        told: told of every record when its line is written.
    """

    def __init__(self, lines: ReplayedLines, told: Callable[[T], object] | None = None) -> None:
        self._lines = lines
        self._told = told
        self._under_way: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Start making the next line."""
        before = self._under_way[-1] if self._under_way else None
        self._under_way.append(asyncio.create_task(self._keep(work, before)))

    async def finish(self) -> None:
        """Wait for all lines, and cut off what an earlier, longer run left behind the last."""
        for task in self._under_way:
            await task
        if self._under_way:
            self._lines.finish()

    async def stop(self) -> None:
        """End what is under way; lines that stand stay."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _keep(self, work: Coroutine[Any, Any, T], before: asyncio.Task[None] | None) -> None:
        record = await work
        if before is not None:
            await before
        self._lines.append(codec.line(record))
        if self._told is not None:
            self._told(record)
