"""Evaluate a run's prompts on the test rows while its loop goes on, and record the readings in the steps' order."""

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
from polyjudge.workflows.assemble import RunSetup
from polyjudge.workflows.gate_setup import sensible_metrics


class TestEvaluator:
    """Evaluates prompts on the test rows, each prompt once.

    A step that changed nothing takes the reading of the step before it. The predictions of the first and the last
    prompt over all criteria are kept for their comparison.
    """

    def __init__(self, run_setup: RunSetup) -> None:
        self._run_setup = run_setup
        self._last: dict[Group, tuple[JudgePrompt, asyncio.Task[Reading]]] = {}
        self._predictions: dict[int, tuple[JudgePrompt, tuple[Prediction, ...]]] = {}

    async def of(self, step: Step) -> Reading:
        """The reading of a step; the calls of this method must begin in the order of the steps."""
        prompt = self._run_setup.prompt.only(step.criteria).after(step)
        last = self._last.get(step.criteria)
        if last is not None and last[0] == prompt:
            return replace(await asyncio.shield(last[1]), step=step.index)
        reading = asyncio.create_task(self._read(step.index, prompt))
        self._last[step.criteria] = (prompt, reading)
        return await reading

    async def predictions(self, prompt: JudgePrompt) -> tuple[Prediction, ...]:
        """The predictions of a prompt, which are asked for unless they are kept."""
        predictions = next((stored for evaluated, stored in self._predictions.values() if evaluated == prompt), None)
        return (
            await self._run_setup.judge.evaluate(prompt, self._run_setup.split.test)
            if predictions is None
            else predictions
        )

    async def _read(self, step: int, prompt: JudgePrompt) -> Reading:
        predictions = await self._run_setup.judge.evaluate(prompt, self._run_setup.split.test)
        if prompt.names == self._run_setup.prompt.names:
            self._predictions[step] = (prompt, predictions)
            for between in sorted(self._predictions)[1:-1]:
                del self._predictions[between]
        return reading_from(self._run_setup, step, prompt, predictions)


def reading_from(run_setup: RunSetup, step: int, prompt: JudgePrompt, predictions: Sequence[Prediction]) -> Reading:
    """Predictions of the test rows as a record."""
    names = sensible_metrics(prompt.criteria, run_setup.judge.scoring)
    measured = measure_by(names, predictions, run_setup.test_rows.select(prompt.names))
    scores = {name: tuple(prediction.score(name) for prediction in predictions) for name in prompt.names}
    return Reading(step, prompt.names, measured, scores, run_setup.notice)


T = TypeVar("T")


class OrderedWriter(Generic[T]):
    """Writes records to a file in the order in which their coroutines were passed, while the coroutines overlap.

    Args:
        lines: the file.
        told: called with every record after its line is written.
    """

    def __init__(self, lines: ReplayedLines, observer: Callable[[T], object] | None = None) -> None:
        self._lines = lines
        self._observer = observer
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Start the coroutine of the next record."""
        previous = self._tasks[-1] if self._tasks else None
        self._tasks.append(asyncio.create_task(self._write(work, previous)))

    async def finish(self) -> None:
        """Wait for all records, and remove what an earlier, longer run left behind the last one."""
        for task in self._tasks:
            await task
        if self._tasks:
            self._lines.finish()

    async def stop(self) -> None:
        """Cancel what is unfinished; written lines stay."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, work: Coroutine[Any, Any, T], previous: asyncio.Task[None] | None) -> None:
        record = await work
        if previous is not None:
            await previous
        self._lines.append(codec.line(record))
        if self._observer is not None:
            self._observer(record)
