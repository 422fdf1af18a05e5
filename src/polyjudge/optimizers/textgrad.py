"""Textual gradients: loss, gradient and optimizer LLM, grouped by the decomposition, with one code path for all modes.

A stage's group receives the results whose group lies inside its own, each once. Each example runs through prediction,
loss and gradient independently of the others; only the optimizer waits for the whole batch.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar

from polyjudge.concurrency import together
from polyjudge.domain.decomposition import Decomposition, Group, decomposition, heard
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Critique, Gradient, Prediction
from polyjudge.errors import ConfigError, ReplyError
from polyjudge.optimizers import wording
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import WRITERS, Context, Proposal, Turn, TurnPlan
from polyjudge.optimizers.conflict import resolutions
from polyjudge.optimizers.estimate import bounded, filler, imagined, planned
from polyjudge.optimizers.routing import TAU, Router
from polyjudge.templates.instruction_parser import read_text
from polyjudge.templates.load import render
from polyjudge.templates.reasoning_strip import strip_reasoning
from polyjudge.templates.section_parser import read_sections, section_form, section_schema

# Typical lengths of the stages' replies, in tokens; of an instruction per criterion.
CRITIQUE, GRADIENT, INSTRUCTION = 150, 350, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class TextGrad:
    """Textual gradients (Yuksekgonul et al. 2024, arXiv 2406.07496), decomposed by criteria according to the mode.

    Attributes:
        mode: "SSS", "SSC", "SCC" or "CCC": whether loss, gradient and optimizer treat the criteria separately or
            combined; "ST" fits each criterion in its own run. None: the run's, else "SSS".
        model: asked in all three roles, PROVIDER/MODEL; "": the run's optimizer model, else the judge.
        loss_model: asked for losses instead.
        gradient_model: asked for gradients instead.
        candidates: candidates per turn; None: the run's, else 1.
        loss_sees_input: whether the loss LLM sees the judged item; None: the preset's, else true.
        show_rejected: whether the optimizer LLM sees rejected instructions with their effect; None: the preset's, else
            true.
        routed: whether a gradient call for several criteria writes a section on each, and criteria whose sections are
            not specific get separate calls; None: false.
        tau: sections that score less than this are not specific, 0..1; None: ``TAU``.
        resolve: whether changes that were refused together are measured apart, before new ones are written; None: no.
        longest: most words of a new instruction; None: no bound.

    Raises:
        ConfigError: a switch that is neither true nor false, a ``tau`` that is no number from 0 to 1, or a ``longest``
            that is no whole number above 0.
    """

    mode: str | None = None
    model: str = ""
    loss_model: str = ""
    gradient_model: str = ""
    candidates: int | None = None
    loss_sees_input: bool | None = None
    show_rejected: bool | None = None
    routed: bool | None = None
    tau: float | None = None
    resolve: bool | None = None
    longest: int | None = None

    roles: ClassVar[tuple[str, ...]] = WRITERS
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __post_init__(self) -> None:
        for name in ("routed", "resolve"):
            if not isinstance(getattr(self, name), bool | None):
                raise ConfigError(f"{name}={getattr(self, name)!r}: true or false is needed")
        tau, longest = self.tau, self.longest
        if tau is not None and (isinstance(tau, bool) or not isinstance(tau, int | float) or not 0 <= tau <= 1):
            raise ConfigError(f"tau={tau!r}: a number from 0 to 1 is needed")
        if longest is not None and (isinstance(longest, bool) or not isinstance(longest, int) or longest < 1):
            raise ConfigError(f"longest={longest!r}: a whole number from 1 on is needed")

    def build(self, context: Context) -> TextGradOptimizer:
        """The optimizer over the context's criteria.

        Raises:
            ConfigError: an unknown mode, or one that would separate what was combined.
        """
        return TextGradOptimizer(
            decomposition(self.mode or "SSS", context.prompt.names),
            context.stage("loss"),
            context.stage("gradient"),
            context.stage("optimizer"),
            candidates=self.candidates or 1,
            loss_sees_input=self.loss_sees_input is not False,
            show_rejected=self.show_rejected is not False,
            router=Router(context.prompt.criteria, TAU if self.tau is None else self.tau) if self.routed else None,
            resolve=self.resolve is True,
            longest=self.longest or 0,
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """An example of a turn with the judge's scores. ``draw`` numbers the examples through a run, so that two with
    equal texts are still two draws. ``failures`` collects why replies about it could not be read."""

    turn: Turn
    example: Example
    prediction: Prediction
    draw: int
    failures: set[str] = field(default_factory=set, hash=False)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The results of one example."""

    prediction: Prediction
    critiques: tuple[Critique, ...]
    gradients: tuple[Gradient, ...]
    failures: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TextGradOptimizer:
    """The optimizer of a run: losses, gradients and new instructions.

    Attributes:
        decomposition: the groups of the three stages.
        loss: writes critiques.
        gradient: writes gradients.
        optimizer: writes instructions.
        candidates: candidates per turn.
        loss_sees_input: whether the loss LLM sees the judged item.
        show_rejected: whether the optimizer LLM sees rejected instructions.
        router: finds the criteria that need separate gradients; None: gradients are used as they are written.
        resolve: whether changes that were refused together are measured apart before new ones are written.
        longest: most words of a new instruction; 0 = no bound.
    """

    decomposition: Decomposition
    loss: Stage
    gradient: Stage
    optimizer: Stage
    candidates: int = 1
    loss_sees_input: bool = True
    show_rejected: bool = True
    router: Router | None = None
    resolve: bool = False
    longest: int = 0

    async def propose(self, turn: Turn) -> Proposal:
        resolving = resolutions(turn)[: self.candidates] if self.resolve else ()
        if resolving:
            return Proposal(resolving)
        chains = await self._chains(turn)
        gradients = _gradients(chains)
        candidates = await together(
            self._candidate(turn, chains, gradients, sample) for sample in range(self.candidates)
        )
        return Proposal(
            tuple(candidates),
            tuple(chain.prediction for chain in chains),
            tuple(critique for chain in chains for critique in chain.critiques),
            gradients,
        )

    async def gradients(self, turn: Turn) -> tuple[Gradient, ...]:
        """The gradients of a turn without new instructions, for diagnoses that compare them with those of a run."""
        return _gradients(await self._chains(turn))

    def plan(self, turn: Turn) -> TurnPlan:
        lengths = [bounded(INSTRUCTION * len(group), self.optimizer) for group in self.decomposition.optimizer]
        shortest = min(
            tokens // len(group) for tokens, group in zip(lengths, self.decomposition.optimizer, strict=True)
        )
        losses, gradients, rewrites = self._expected(turn)
        return TurnPlan(
            (
                planned("loss", losses, [bounded(CRITIQUE, self.loss)] * len(losses)),
                planned("gradient", gradients, [bounded(GRADIENT, self.gradient)] * len(gradients)),
                planned("optimizer", rewrites * self.candidates, lengths * self.candidates),
            ),
            judged=len(turn.batch),
            instruction_tokens=shortest,
        )

    def _expected(self, turn: Turn) -> tuple[list[str], list[str], list[str]]:
        """The prompts of the three stages in a turn, with placeholders of typical length for replies."""
        predictions = [imagined(turn.judge, turn.prompt, example) for example in turn.batch]
        judged = list(zip(turn.batch, predictions, strict=True))
        critique, gradient = filler(bounded(CRITIQUE, self.loss)), filler(bounded(GRADIENT, self.gradient))
        gradients = [
            Gradient(group, example.id, gradient) for example in turn.batch for group in self.decomposition.gradient
        ]
        losses = [
            wording.loss(turn.prompt.only(group), example, prediction, turn.judge.scoring, self.loss_sees_input)
            for example, prediction in judged
            for group in self.decomposition.loss
        ]
        criticisms = [
            self._criticism(
                turn,
                group,
                example,
                prediction,
                [Critique(loss, example.id, critique) for loss in self.decomposition.loss if set(loss) & set(group)],
                apart=self.router is not None and len(group) > 1,
            )
            for example, prediction in judged
            for group in self._gradient_groups()
        ]
        requests = [
            self._rewriting(turn, group, predictions, heard(group, gradients))
            for group in self.decomposition.optimizer
        ]
        return losses, criticisms, requests

    def _gradient_groups(self) -> list[Group]:
        """The groups of the gradient calls about an example, at most: a router may ask about each criterion again."""
        groups = self.decomposition.gradient
        shared = [group for group in groups if len(group) > 1] if self.router is not None else []
        return [*groups, *((name,) for group in shared for name in group)]

    async def _chains(self, turn: Turn) -> list[_Chain]:
        chains = await together(self._chain(turn, position) for position in range(len(turn.batch)))
        for group in self.decomposition.gradient if self.router is not None else ():
            if len(group) > 1:
                chains = await self._routed(turn, group, chains)
        return chains

    async def _routed(self, turn: Turn, group: Group, chains: Sequence[_Chain]) -> list[_Chain]:
        """The chains with separate gradients for the criteria whose sections over the batch are not specific."""
        router = self.router or Router(turn.prompt.criteria)
        texts = {
            name: [gradient.text for chain in chains for gradient in chain.gradients if gradient.group == (name,)]
            for name in group
        }
        asked = [turn.judge.question(turn.prompt, example).text for example in turn.batch]
        poor = router.poor(texts, asked)
        return await together(self._separately(turn, position, chain, poor) for position, chain in enumerate(chains))

    async def _separately(self, turn: Turn, position: int, chain: _Chain, poor: Group) -> _Chain:
        """A chain with separate gradients on some criteria; where a reply is unreadable, the section stays."""
        judged = self._judged(turn, position, chain.prediction)
        written = await together(
            self._written(judged, (name,), [one for one in chain.critiques if name in one.group])
            for name in poor
            if _rated(turn.prompt, judged.example, (name,))
        )
        new = {gradient.group: gradient for gradient in written if gradient is not None}
        kept = [gradient for gradient in chain.gradients if gradient.group not in new]
        return replace(chain, gradients=(*kept, *new.values()), failures=chain.failures | frozenset(judged.failures))

    def _judged(self, turn: Turn, position: int, prediction: Prediction) -> _Judged:
        return _Judged(turn, turn.batch[position], prediction, turn.index * len(turn.batch) + position)

    async def _chain(self, turn: Turn, position: int) -> _Chain:
        """One example from prediction to gradients. Each gradient waits for its own critiques only."""
        example = turn.batch[position]
        prediction = await turn.judge.predict(turn.prompt, example)
        judged = self._judged(turn, position, prediction)
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
            tuple(gradient for task in gradients for gradient in task.result()),
            frozenset(judged.failures),
        )

    async def _criticise(self, judged: _Judged, group: Group) -> Critique | None:
        prompt, scoring = judged.turn.prompt.only(group), judged.turn.judge.scoring
        text = wording.loss(prompt, judged.example, judged.prediction, scoring, self.loss_sees_input)
        try:
            return Critique(group, judged.example.id, await self.loss.ask(text, _prose, judged.draw))
        except ReplyError as error:
            judged.failures.add(f"loss: {error}")
            return None

    async def _differentiate(
        self, judged: _Judged, group: Group, losses: Mapping[Group, asyncio.Task[Critique | None]]
    ) -> tuple[Gradient, ...]:
        """The gradient of one group, or its sections; none if there is no critique or the reply is unreadable."""
        results = [await task for loss_group, task in losses.items() if set(loss_group) <= set(group)]
        critiques = heard(group, [critique for critique in results if critique is not None])
        if not critiques:
            return ()
        if self.router is not None and len(group) > 1:
            return await self._sections(judged, group, critiques)
        gradient = await self._written(judged, group, critiques)
        return () if gradient is None else (gradient,)

    async def _written(self, judged: _Judged, group: Group, critiques: Sequence[Critique]) -> Gradient | None:
        """One gradient about an example; None if there is no critique or the reply is unreadable."""
        if not critiques:
            return None
        text = self._criticism(judged.turn, group, judged.example, judged.prediction, critiques)
        try:
            return Gradient(group, judged.example.id, await self.gradient.ask(text, _prose, judged.draw))
        except ReplyError as error:
            judged.failures.add(f"gradient: {error}")
            return None

    async def _sections(self, judged: _Judged, group: Group, critiques: Sequence[Critique]) -> tuple[Gradient, ...]:
        """A gradient on each criterion of a group, from one reply; none on a criterion that the reply leaves out."""
        text = self._criticism(judged.turn, group, judged.example, judged.prediction, critiques, apart=True)
        schema = section_schema(group) if self.gradient.held else ""
        try:
            found = await self.gradient.ask(
                text, lambda reply, cut: read_sections(reply, group, cut=cut), judged.draw, schema
            )
        except ReplyError as error:
            judged.failures.add(f"gradient: {error}")
            return ()
        return tuple(Gradient((name,), judged.example.id, section.text) for name, section in found.items())

    def _criticism(
        self,
        turn: Turn,
        group: Group,
        example: Example,
        prediction: Prediction,
        critiques: Sequence[Critique],
        *,
        apart: bool = False,
    ) -> str:
        """The prompt of the gradient LLM about one example; ``apart``: with a section on each criterion."""
        prompt = turn.prompt.only(group)
        asked = turn.judge.question(prompt, example).text
        if apart:
            return wording.sections(prompt, asked, prediction, critiques, section_form(group))
        return wording.gradient(prompt, asked, prediction, critiques)

    async def _candidate(
        self, turn: Turn, chains: Sequence[_Chain], gradients: Sequence[Gradient], sample: int
    ) -> Candidate:
        """The new instructions, with the reason for each criterion that has none, as after an unreadable reply.

        All groups are awaited even after one has failed, so that calls and reasons do not depend on the order of the
        replies.
        """
        answers = await together(
            self._rewrite(turn, chains, heard(group, gradients), group, sample)
            for group in self.decomposition.optimizer
        )
        failures = [
            f"{', '.join(group)}: {answer.failure}"
            for group, answer in zip(self.decomposition.optimizer, answers, strict=True)
            if answer.failure
        ]
        return Candidate(
            {name: text for answer in answers for name, text in answer.instructions.items()}, "; ".join(failures)
        )

    async def _rewrite(
        self, turn: Turn, chains: Sequence[_Chain], gradients: Sequence[Gradient], group: Group, sample: int
    ) -> Candidate:
        """The new instructions of one group, or the reason why there are none."""
        if not gradients:
            reasons = sorted(frozenset().union(*(chain.failures for chain in chains)))
            return Candidate({}, "no gradient was written" + (f" ({', '.join(reasons)})" if reasons else ""))
        text = self._rewriting(turn, group, [chain.prediction for chain in chains], gradients)
        try:
            return self._within(await self.optimizer.write(text, group, sample))
        except ReplyError as error:
            return Candidate({}, str(error))

    def _within(self, texts: Mapping[str, str]) -> Candidate:
        """The new instructions that keep the bound of their length, with the reason for the others."""
        lengths = {name: len(text.split()) for name, text in texts.items()} if self.longest else {}
        long = {name: count for name, count in lengths.items() if count > self.longest}
        reasons = [f"{name} has {count:,} words, more than {self.longest:,}" for name, count in long.items()]
        return Candidate({name: text for name, text in texts.items() if name not in long}, ", ".join(reasons))

    def _rewriting(
        self, turn: Turn, group: Group, predictions: Sequence[Prediction], gradients: Sequence[Gradient]
    ) -> str:
        """The prompt of the optimizer LLM about the step."""
        prompt = turn.prompt.only(group)
        asked = [turn.judge.question(prompt, example).text for example in turn.batch]
        rejected = [edit for edit in turn.rejected if edit.criterion in group] if self.show_rejected else []
        text = wording.optimizer(prompt, asked, predictions, gradients, rejected, held=self.optimizer.held)
        return f"{text}\n\n{render('longest', words=str(self.longest))}" if self.longest else text


def _gradients(chains: Sequence[_Chain]) -> tuple[Gradient, ...]:
    return tuple(gradient for chain in chains for gradient in chain.gradients)


def _prose(reply: str, cut: bool) -> str:
    """The text of a critique or gradient, which unlike an instruction is usable even if it was cut off."""
    return read_text(reply, cut=cut and not strip_reasoning(reply).strip())


def _rated(prompt: JudgePrompt, example: Example, group: Group) -> bool:
    return any(not math.isnan(example.human(c)) for c in prompt.criteria if c.name in group)
