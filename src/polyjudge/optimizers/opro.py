"""OPRO, optimisation by prompting: a model reads earlier prompts with their scores and writes better ones.

The method is that of Yang et al. 2024, "Large Language Models as Optimizers" (arXiv 2309.03409), section 3: the prompt
shows the best earlier solutions in ascending order of their scores, and a few examples of the task. It needs neither
losses nor gradients; the judge is asked about validation rows only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from polyjudge.concurrency import together
from polyjudge.domain.decomposition import Group, Partition, decomposition
from polyjudge.domain.records import Candidate, ScoredPrompt
from polyjudge.domain.scale import NAN
from polyjudge.errors import ConfigError, ReplyError
from polyjudge.optimizers import wording
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import Context, Proposal, Turn, TurnPlan
from polyjudge.optimizers.estimate import bounded, planned

# Typical length of an instruction that it writes, in tokens.
INSTRUCTION = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class OPRO:
    """Optimisation by prompting. The batch of a turn serves as its examples, three by default (``batch``).

    Attributes:
        mode: its last letter says whether the optimizer writes the instructions separately, each criterion with its
            own trajectory ("S"), or all in one reply ("C"); "ST" fits each criterion in its own run. None: the run's,
            else "SSS".
        model: writes the instructions, PROVIDER/MODEL; "": the run's optimizer model, else the judge.
        candidates: candidates per turn; None: the run's, else 8.
        trajectory: how many of the best earlier instructions are shown.

    Raises:
        ConfigError: a trajectory that is no whole number above 0.
    """

    mode: str | None = None
    model: str = ""
    candidates: int | None = None
    trajectory: int = 20

    roles: ClassVar[tuple[str, ...]] = ("optimizer",)
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"parameters": {"judge": {"temperature": 0.0}, "optimizer": {"temperature": 1.0}}}
    )

    def __post_init__(self) -> None:
        if not isinstance(self.trajectory, int) or isinstance(self.trajectory, bool) or self.trajectory < 1:
            raise ConfigError(f"trajectory={self.trajectory!r}: a whole number from 1 on is needed")

    def build(self, context: Context) -> OPROOptimizer:
        """The optimizer over the context's criteria.

        Raises:
            ConfigError: an unknown mode, or a gate that measures nothing.
        """
        if not context.measures:
            raise ConfigError(
                "optimizer 'opro' learns from the scores of earlier prompts, and gate 'none' measures none; "
                "choose another --gate"
            )
        groups = decomposition(self.mode or "SSS", context.prompt.names).optimizer
        return OPROOptimizer(groups, context.stage("optimizer"), self.candidates or 8, self.trajectory)


@dataclass(frozen=True, slots=True)
class Tried:
    """Instructions of a group and their agreement; nan = undefined."""

    instructions: Mapping[str, str]
    score: float


@dataclass(frozen=True, slots=True)
class OPROOptimizer:
    """The optimizer of a run.

    Attributes:
        groups: the criteria whose instructions are written together.
        optimizer: writes instructions.
        candidates: candidates per turn.
        trajectory: how many of the best earlier instructions are shown.
    """

    groups: Partition
    optimizer: Stage
    candidates: int
    trajectory: int

    async def propose(self, turn: Turn) -> Proposal:
        return Proposal(tuple(await together(self._candidate(turn, sample) for sample in range(self.candidates))))

    def plan(self, turn: Turn) -> TurnPlan:
        texts = [self._request(turn, group) for group in self.groups]
        lengths = [bounded(INSTRUCTION * len(group), self.optimizer) for group in self.groups]
        return TurnPlan(
            (planned("optimizer", texts * self.candidates, lengths * self.candidates),),
            instruction_tokens=bounded(INSTRUCTION, self.optimizer),
        )

    async def _candidate(self, turn: Turn, sample: int) -> Candidate:
        answers = await together(self._write(turn, group, sample) for group in self.groups)
        failures = [
            f"{', '.join(group)}: {answer.failure}"
            for group, answer in zip(self.groups, answers, strict=True)
            if answer.failure
        ]
        instructions = {name: text for answer in answers for name, text in answer.instructions.items()}
        return Candidate(instructions, "; ".join(failures))

    async def _write(self, turn: Turn, group: Group, sample: int) -> Candidate:
        # Equal requests of one turn differ by the sample. Requests of different turns differ in their text, unless
        # nothing new was measured.
        draw = (turn.index - 1) * self.candidates + sample
        try:
            return Candidate(await self.optimizer.write(self._request(turn, group), group, draw))
        except ReplyError as error:
            return Candidate({}, str(error))

    def _request(self, turn: Turn, group: Group) -> str:
        tried = trajectory(turn.scored, group, self.trajectory)
        metric, higher = (turn.scored[0].metric, turn.scored[0].higher_is_better) if turn.scored else ("", True)
        return wording.trajectory(
            turn.prompt.only(group),
            [(entry.instructions, entry.score) for entry in tried],
            f"{metric}, {'higher' if higher else 'lower'} is better",
            turn.batch,
            held=self.optimizer.held,
        )


def trajectory(scored: Sequence[ScoredPrompt], group: Group, count: int) -> tuple[Tried, ...]:
    """The best different instructions of a group, from worst to best; of equal ones the older comes first.

    Args:
        scored: the measured prompts.
        group: instructions of one criterion have the agreement on that criterion, as a mean over the prompts that
            contained them; those of several criteria have the mean over these.
        count: the length of the trajectory.
    """
    values: dict[tuple[str, ...], list[float]] = {}
    for prompt in scored:
        key = tuple(prompt.instructions[name] for name in group)
        values.setdefault(key, []).append(_mean([prompt.values.get(name, NAN) for name in group]))
    tried = [
        Tried(dict(zip(group, key, strict=True)), _mean([value for value in scores if not math.isnan(value)]))
        for key, scores in values.items()
    ]
    sign = 1 if all(prompt.higher_is_better for prompt in scored) else -1
    undefined = [entry for entry in tried if math.isnan(entry.score)]
    ranked = sorted((entry for entry in tried if not math.isnan(entry.score)), key=lambda entry: sign * entry.score)
    return tuple([*undefined, *ranked][-count:])


def _mean(values: Sequence[float]) -> float:
    """The mean; nan if there is no value or one is nan."""
    return math.fsum(values) / len(values) if values else NAN
