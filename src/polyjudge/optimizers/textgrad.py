"""Textual gradients: loss, gradient and optimizer LLM, grouped as the decomposition says, from one code path.

A stage's group hears the results whose group lies inside its own, each once. An example's chain (predict, loss,
gradient) runs on as soon as its own predecessor is there; only the optimizer waits for the whole batch.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from polyjudge.concurrency import together
from polyjudge.domain.decomposition import Decomposition, Group, heard
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Critique, Gradient, Prediction, Revision
from polyjudge.errors import ReplyError
from polyjudge.llm.role import Role
from polyjudge.optimizers import wording
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import Draft, Proposal, Turn
from polyjudge.templates.replies import read_instruction, read_instructions, read_text
from polyjudge.templates.spoken import without_thought


@dataclass(frozen=True, slots=True)
class _Judged:
    """An example of a turn with the judge's scores; ``draw`` numbers the turns' examples through a run, so that two
    of them that read alike are still two draws. ``failures`` gathers why replies about it could not be read."""

    turn: Turn
    example: Example
    prediction: Prediction
    draw: int
    failures: set[str] = field(default_factory=set, hash=False)


@dataclass(frozen=True, slots=True)
class _Chain:
    """What one example brought."""

    prediction: Prediction
    critiques: tuple[Critique, ...]
    gradients: tuple[Gradient, ...]
    failures: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TextGrad:
    """Attributes:
    decomposition: the groups of the three stages.
    loss: writes critiques.
    gradient: writes gradients.
    optimizer: writes revisions.
    candidates: how many drafts a turn makes.
    loss_shows_item: whether the loss LLM sees what was judged.
    """

    decomposition: Decomposition
    loss: Stage
    gradient: Stage
    optimizer: Stage
    candidates: int = 1
    loss_shows_item: bool = True

    async def propose(self, turn: Turn) -> Proposal:
        chains = await self._chains(turn)
        gradients = _gradients(chains)
        drafts = await together(self._draft(turn, chains, gradients, sample) for sample in range(self.candidates))
        return Proposal(
            tuple(chain.prediction for chain in chains),
            tuple(critique for chain in chains for critique in chain.critiques),
            gradients,
            tuple(drafts),
        )

    async def gradients(self, turn: Turn) -> tuple[Gradient, ...]:
        """A turn's gradients alone, without new instructions: what a diagnosis compares with those of a run."""
        return _gradients(await self._chains(turn))

    def role(self, name: str) -> Role:
        return {"loss": self.loss, "gradient": self.gradient, "optimizer": self.optimizer}[name].role

    def calls_per_turn(self, prompt: JudgePrompt, batch: int) -> Mapping[str, int]:
        """Planned calls by role, without the judge's and without re-asks."""
        return {
            "loss": batch * len(self.decomposition.loss),
            "gradient": batch * len(self.decomposition.gradient),
            "optimizer": self.candidates * len(self.decomposition.optimizer),
        }

    async def _chains(self, turn: Turn) -> list[_Chain]:
        return await together(self._chain(turn, place) for place in range(len(turn.batch)))

    async def _chain(self, turn: Turn, place: int) -> _Chain:
        """One example from prediction to gradients. Each gradient waits for the critiques it hears, and no others."""
        example = turn.batch[place]
        prediction = await turn.judge.predict(turn.prompt, example)
        judged = _Judged(turn, example, prediction, turn.index * len(turn.batch) + place)
        async with asyncio.TaskGroup() as tasks:
            losses = {
                group: tasks.create_task(self._criticise(judged, group))
                for group in self.decomposition.loss
                if _rated(turn.prompt, example, group)
            }
            gradients = [
                tasks.create_task(self._differentiate(judged, group, losses)) for group in self.decomposition.gradient
            ]
        return _Chain(
            prediction,
            tuple(critique for task in losses.values() if (critique := task.result()) is not None),
            tuple(gradient for task in gradients if (gradient := task.result()) is not None),
            frozenset(judged.failures),
        )

    async def _criticise(self, judged: _Judged, group: Group) -> Critique | None:
        prompt, scoring = judged.turn.prompt.only(group), judged.turn.judge.scoring
        text = wording.loss(prompt, judged.example, judged.prediction, scoring, self.loss_shows_item)
        try:
            return Critique(group, judged.example.id, await self.loss.ask(text, _prose, judged.draw))
        except ReplyError as error:
            judged.failures.add(f"loss: {error}")
            return None

    async def _differentiate(
        self, judged: _Judged, group: Group, losses: Mapping[Group, asyncio.Task[Critique | None]]
    ) -> Gradient | None:
        """The gradient of one group; None when there is nothing to hear or nothing readable was written."""
        awaited = [await task for loss_group, task in losses.items() if set(loss_group) <= set(group)]
        critiques = heard(group, [critique for critique in awaited if critique is not None])
        if not critiques:
            return None
        prompt = judged.turn.prompt.only(group)
        asked = judged.turn.judge.question(prompt, judged.example).text
        text = wording.gradient(prompt, asked, judged.prediction, critiques)
        try:
            return Gradient(group, judged.example.id, await self.gradient.ask(text, _prose, judged.draw))
        except ReplyError as error:
            judged.failures.add(f"gradient: {error}")
            return None

    async def _draft(self, turn: Turn, chains: Sequence[_Chain], gradients: Sequence[Gradient], sample: int) -> Draft:
        """The new instructions, and why some criteria got none: an unreadable revision is never passed off as one.

        Every revision is waited for, also when another has failed already: what is asked, and which reasons are
        given, must not hang on which reply came first.
        """
        revisions = await together(
            self._revise(turn, chains, heard(group, gradients), group, sample)
            for group in self.decomposition.optimizer
        )
        failures = [f"{', '.join(one.group)}: {one.failure}" for one in revisions if one.failure]
        return Draft({name: text for one in revisions for name, text in one.texts.items()}, "; ".join(failures))

    async def _revise(
        self, turn: Turn, chains: Sequence[_Chain], gradients: Sequence[Gradient], group: Group, sample: int
    ) -> Revision:
        if not gradients:
            why = sorted(frozenset().union(*(chain.failures for chain in chains)))
            return Revision(group, {}, "no gradient was written" + (f" ({', '.join(why)})" if why else ""))
        prompt = turn.prompt.only(group)
        asked = [turn.judge.question(prompt, example).text for example in turn.batch]
        rejected = [one for one in turn.rejected if one.criterion in group]
        text = wording.optimizer(prompt, asked, [chain.prediction for chain in chains], gradients, rejected)

        def read(reply: str, cut: bool) -> dict[str, str]:
            if len(group) == 1:
                return {group[0]: read_instruction(reply, cut=cut)}
            return read_instructions(reply, group, cut=cut)

        try:
            return Revision(group, await self.optimizer.ask(text, read, sample))
        except ReplyError as error:
            return Revision(group, {}, str(error))


def _gradients(chains: Sequence[_Chain]) -> tuple[Gradient, ...]:
    return tuple(gradient for chain in chains for gradient in chain.gradients)


def _prose(reply: str, cut: bool) -> str:
    """Criticism as it was written; cut off at its token limit it is still criticism, unlike an instruction."""
    return read_text(reply, cut=cut and not without_thought(reply).strip())


def _rated(prompt: JudgePrompt, example: Example, group: Group) -> bool:
    return any(not math.isnan(example.human(c)) for c in prompt.criteria if c.name in group)
