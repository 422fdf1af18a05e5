"""The seam of the optimizers: a turn goes in, a proposal comes out. An optimizer neither measures nor decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Critique, Gradient, Prediction, Rejected
from polyjudge.judge.predict import Judge
from polyjudge.llm.role import Role


@dataclass(frozen=True, slots=True)
class Turn:
    """What an optimizer may see: never a validation or test row, though ``rejected`` holds figures of the former.

    Attributes:
        index: 1, 2, ...
        prompt: the current one.
        batch: rated training examples.
        judge: to predict with.
        rejected: instructions that were tried and not kept, the newest last.
    """

    index: int
    prompt: JudgePrompt
    batch: tuple[Example, ...]
    judge: Judge
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """New instructions by criterion, and why some criteria, or all, got none."""

    texts: Mapping[str, str]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a turn brought, in the order of the batch."""

    predictions: tuple[Prediction, ...]
    critiques: tuple[Critique, ...]
    gradients: tuple[Gradient, ...]
    drafts: tuple[Draft, ...]


class Optimizer(Protocol):
    """Proposes candidates for the instructions of a prompt."""

    @property
    def candidates(self) -> int:
        """How many drafts a turn makes."""
        ...

    def role(self, name: str) -> Role:
        """The model and sampling behind one of its roles."""
        ...

    async def propose(self, turn: Turn) -> Proposal: ...

    def calls_per_turn(self, prompt: JudgePrompt, batch: int) -> Mapping[str, int]:
        """Planned calls by role, without the judge's and without re-asks."""
        ...
