"""The test rows as the prompts of a run score them.

What a run asks beside its loop: begun at once, overlapping the steps that follow, written in the steps' order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from polyjudge import codec
from polyjudge.domain.decomposition import Group
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction, Reading, Step
from polyjudge.judge.measure import measure_by
from polyjudge.results.store import ReplayedLines
from polyjudge.workflows.assemble import House
from polyjudge.workflows.gate_setup import sensible_metrics


class Readings:
    """Reads the test rows for the prompts of steps, and once for each: a step that changed nothing has the reading of
    the one before, and what the first and the last prompt of all criteria gave is kept for their comparison."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._last: dict[Group, tuple[JudgePrompt, asyncio.Task[Reading]]] = {}
        self._kept: dict[int, tuple[JudgePrompt, tuple[Prediction, ...]]] = {}

    async def of(self, step: Step) -> Reading:
        """The reading of a step; to be begun in the order of the steps."""
        prompt = self._house.prompt.only(step.criteria).revise(step.instructions)
        known = self._last.get(step.criteria)
        if known is not None and known[0] == prompt:
            return replace(await asyncio.shield(known[1]), step=step.index)
        reading = asyncio.create_task(self._read(step.index, prompt))
        self._last[step.criteria] = (prompt, reading)
        return await reading

    async def predictions(self, prompt: JudgePrompt) -> tuple[Prediction, ...]:
        """What a prompt gives, asked now unless it is kept."""
        kept = next((found for known, found in self._kept.values() if known == prompt), None)
        return await self._house.judge.evaluate(prompt, self._house.split.test) if kept is None else kept

    async def _read(self, step: int, prompt: JudgePrompt) -> Reading:
        found = await self._house.judge.evaluate(prompt, self._house.split.test)
        if prompt.names == self._house.prompt.names:
            self._kept[step] = (prompt, found)
            for between in sorted(self._kept)[1:-1]:
                del self._kept[between]
        return reading_of(self._house, step, prompt, found)


def reading_of(house: House, step: int, prompt: JudgePrompt, predictions: Sequence[Prediction]) -> Reading:
    """Predictions of the test rows as a record."""
    names = sensible_metrics(prompt.criteria, house.judge.scoring)
    measured = measure_by(names, predictions, house.test_rows.select(prompt.names))
    given = {name: tuple(prediction.score(name) for prediction in predictions) for name in prompt.names}
    return Reading(step, prompt.names, measured, given, house.notice)


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
