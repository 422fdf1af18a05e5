"""The test rows as the prompts of a run score them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from polyjudge.domain.decomposition import Group
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction, Reading, Step
from polyjudge.experiments.assemble import House
from polyjudge.experiments.gating import sensible_metrics
from polyjudge.judge.measure import measure


class Readings:
    """Reads the test rows for the prompts of steps. A step that changed nothing has the reading of the one before,
    whose answers it would only find in the journal."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._last: dict[Group, tuple[Mapping[str, str], asyncio.Task[Reading]]] = {}

    async def of(self, step: Step) -> Reading:
        """The reading of a step; to be begun in the order of the steps."""
        known = self._last.get(step.criteria)
        if known is not None and known[0] == step.instructions:
            return replace(await asyncio.shield(known[1]), step=step.index)
        reading = asyncio.create_task(self._read(step))
        self._last[step.criteria] = (step.instructions, reading)
        return await reading

    async def _read(self, step: Step) -> Reading:
        prompt = self._house.prompt.only(step.criteria).revise(step.instructions)
        predictions = await self._house.judge.evaluate(prompt, self._house.split.test)
        return reading_of(self._house, step.index, prompt, predictions)


def reading_of(house: House, step: int, prompt: JudgePrompt, predictions: Sequence[Prediction]) -> Reading:
    """Predictions of the test rows as a record."""
    measured = tuple(
        measure(name, prompt.criteria, predictions, house.split.test)
        for name in sensible_metrics(prompt.criteria, house.judge.readout)
    )
    given = {name: tuple(prediction.score(name) for prediction in predictions) for name in prompt.names}
    return Reading(step, prompt.names, measured, given, house.notice)
