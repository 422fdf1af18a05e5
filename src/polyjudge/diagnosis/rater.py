"""The diagnostic model's answers, and the two diagnostics of a step: specificity and adherence.

A question depends on texts alone. So a run with --diagnostics asks what a later diagnosis would ask, and the cache
answers the second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.concurrency import together
from polyjudge.diagnosis import prompts as wording
from polyjudge.diagnosis.records import Rating, StepDiagnostics
from polyjudge.diagnosis.texts import speaking
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.records import Gradient, Step
from polyjudge.domain.scale import NAN
from polyjudge.errors import ReplyError
from polyjudge.llm.request import SIMULATED
from polyjudge.optimizers.asking import Stage
from polyjudge.templates.rating_parser import read_name, read_rating, read_served


@dataclass(frozen=True, slots=True)
class Rater:
    """Asks the diagnostic model.

    Attributes:
        stage: its model, sampling and parse retries.
        criteria: all of the run, also where a step fits one of them alone.
    """

    stage: Stage
    criteria: tuple[Criterion, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    def criterion(self, name: str) -> Criterion:
        return next(criterion for criterion in self.criteria if criterion.name == name)

    async def specificity(self, name: str, text: str) -> float:
        """How specific a criticism is to a criterion, 1..10; nan = unreadable."""
        return await self._score(wording.specificity(self.criterion(name), self.criteria, text))

    async def adherence(self, name: str, before: str, text: str, after: str) -> float:
        """How closely a new instruction follows a criticism, 1..10; nan = unreadable."""
        return await self._score(wording.adherence(self.criterion(name), before, text, after))

    async def attribution(self, text: str) -> str | None:
        """Which criterion a criticism serves, their names masked in it; None = unreadable."""

        def read(reply: str, cut: bool) -> str:
            return read_name(reply, self.names, cut)

        try:
            return await self.stage.ask(wording.attribution(self.criteria, text), read)
        except ReplyError:
            return None

    async def served(self, parts: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
        """Which criteria each sentence serves; None = unreadable."""

        def read(reply: str, cut: bool) -> tuple[tuple[str, ...], ...]:
            return read_served(reply, len(parts), self.names, cut)

        try:
            return await self.stage.ask(wording.sentences(self.criteria, parts), read)
        except ReplyError:
            return None

    async def _score(self, text: str) -> float:
        try:
            return await self.stage.ask(text, read_rating)
        except ReplyError:
            return NAN


async def step_diagnostics(rater: Rater, before: Mapping[str, str], step: Step) -> StepDiagnostics:
    """Specificity and adherence of a step.

    Args:
        rater: the model.
        before: criterion -> its instruction before the step.
        step: any but the first of a run.
    """
    specific = await together([specificity_of(rater, step, name) for name in step.criteria])
    followed = await adherence_of(rater, before, step)
    ratings = (*(rating for rating in specific if rating is not None), *followed)
    asker, model = rater.stage.asker, rater.stage.role.model
    notice = step.notice or (SIMULATED if asker.abilities(model).simulated else "")
    return StepDiagnostics(step.index, step.criteria, model, ratings, notice)


async def specificity_of(rater: Rater, step: Step, name: str) -> Rating | None:
    """Specificity of a step's gradients for one criterion; None where none speaks for it."""
    return await rated_gradients(rater, speaking(step.gradients, name), name)


async def rated_gradients(
    rater: Rater, gradients: Sequence[Gradient], name: str, *, asked: bool = False
) -> Rating | None:
    """Specificity of some gradients, joined, for one criterion; None where there are none."""
    if not gradients:
        return None
    score = await rater.specificity(name, wording.joined(gradients))
    return Rating("specificity", name, gradients[0].group, score, asked=asked)


async def adherence_of(rater: Rater, before: Mapping[str, str], step: Step) -> list[Rating]:
    """How closely each candidate's new instructions follow the gradients that speak for their criteria."""

    async def rate(index: int, name: str, text: str) -> Rating | None:
        gradients = speaking(step.gradients, name)
        if not gradients:
            return None
        score = await rater.adherence(name, before[name], wording.joined(gradients), text)
        return Rating("adherence", name, gradients[0].group, score, index)

    rated = await together(
        rate(index, name, candidate.instructions[name])
        for index, candidate in enumerate(step.candidates)
        for name in step.criteria
        if name in candidate.instructions
    )
    return [rating for rating in rated if rating is not None]
