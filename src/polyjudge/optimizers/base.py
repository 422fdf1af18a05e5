"""The protocol of the optimizers: from a turn to a proposal. An optimizer neither measures nor decides.

An optimizer has two parts. Its settings are a small frozen object, such as ``TextGrad(mode="SSC")``, which names its
settings and the roles that it asks. A run builds the optimizer from them, once it knows the criteria and the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Critique, Gradient, Prediction, Rejected, ScoredPrompt
from polyjudge.errors import ConfigError
from polyjudge.judge.predict import Judge
from polyjudge.llm.request import Asker, Role
from polyjudge.optimizers.asking import Stage

WRITERS = ("loss", "gradient", "optimizer")
"""The roles that an optimizer may ask."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The input of an optimizer: training rows, and of the validation rows aggregates only.

    Attributes:
        index: 1, 2, ...
        prompt: the current one.
        batch: rated training examples.
        judge: predicts.
        rejected: instructions that were tried and rejected, the newest last.
        scored: the initial prompt and all other measured ones, each once, in the order of measurement; empty under a
            gate that measures nothing.
    """

    index: int
    prompt: JudgePrompt
    batch: tuple[Example, ...]
    judge: Judge
    rejected: tuple[Rejected, ...] = ()
    scored: tuple[ScoredPrompt, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """The result of a turn.

    Attributes:
        candidates: new instructions by criterion, or the reason why there are none; the engine fills in the rest.
        predictions: of the batch, in its order; empty if the optimizer needs none.
        critiques: in the order of the batch.
        gradients: in the order of the batch.
    """

    candidates: tuple[Candidate, ...]
    predictions: tuple[Prediction, ...] = ()
    critiques: tuple[Critique, ...] = ()
    gradients: tuple[Gradient, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedCalls:
    """The calls of one role in a turn, without parse retries, and the expected tokens of all of them."""

    role: str
    calls: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """The expected calls of a turn.

    Attributes:
        calls: at most one entry per role, without the judge's.
        judged: how many examples of the batch the judge is asked about.
        instruction_tokens: expected length of a new instruction of one criterion, which determines how prompts grow.
    """

    calls: tuple[PlannedCalls, ...] = ()
    judged: int = 0
    instruction_tokens: int = 0


class Optimizer(Protocol):
    """Proposes candidates for the instructions of a prompt."""

    @property
    def candidates(self) -> int:
        """The most candidates of a turn."""
        ...

    async def propose(self, turn: Turn) -> Proposal:
        """New instructions. The same turn and the same replies bring the same proposal.

        Raises:
            Stopped: budget or provider; never caught here.
        """
        ...

    def plan(self, turn: Turn) -> TurnPlan:
        """The calls of ``propose`` in a turn like this one, which has placeholders for texts that do not exist yet."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a run passes to the optimizer that it builds.

    Attributes:
        prompt: the initial one, over the criteria to fit.
        asker: the client.
        roles: the models that the settings name in ``roles``.
        parse_retries: how often an unreadable reply is asked for again.
        measures: whether the gate measures prompts; otherwise ``Turn.scored`` is empty.
        seed: of the run.
        structured: whether replies may be held to a JSON schema.
    """

    prompt: JudgePrompt
    asker: Asker
    roles: Mapping[str, Role]
    parse_retries: int = 2
    measures: bool = True
    seed: int = 0
    structured: bool = True

    def stage(self, role: str) -> Stage:
        """A role's model with its sampling.

        Raises:
            ConfigError: the optimizer's settings do not name the role.
        """
        if role not in self.roles:
            raise ConfigError(
                f"the optimizer asks as {role!r}, which its 'roles' do not name; they are {[*self.roles]}"
            )
        return Stage(self.asker, self.roles[role], self.parse_retries, self.structured)


class OptimizerSettings(Protocol):
    """The settings of an optimizer, which ``optimizer=`` takes beside a name: a frozen dataclass.

    A field that is named like a setting of a run (``mode``, ``candidates``, ``loss_sees_input``, ``show_rejected``)
    takes that setting if it is None; any other field can be set by name through ``optimizer_options``. An object that
    has only ``propose`` counts as a built optimizer without models.
    """

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that it asks, of ``WRITERS``."""
        ...

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Its defaults for settings of a run; they override a preset's and are overridden by the user's."""
        ...

    def build(self, context: Context) -> Optimizer:
        """The optimizer of a run.

        Raises:
            ConfigError: settings that do not fit each other or the run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Idle:
    """An optimizer that proposes nothing, for a run that is only inspected."""

    roles: tuple[str, ...] = ()
    candidates: int = 0

    async def propose(self, turn: Turn) -> Proposal:
        return Proposal(())

    def plan(self, turn: Turn) -> TurnPlan:
        return TurnPlan()


@dataclass(frozen=True, slots=True)
class _Plain:
    """Adapts an object that has only ``propose``."""

    inner: Any
    candidates: int = 1

    async def propose(self, turn: Turn) -> Proposal:
        proposal: Proposal = await self.inner.propose(turn)
        return proposal

    def plan(self, turn: Turn) -> TurnPlan:
        return TurnPlan()


def as_optimizer(built: Any) -> Optimizer:
    """A built optimizer; one with only ``propose`` counts as asking no model, with one candidate per turn."""
    if hasattr(built, "plan") and hasattr(built, "candidates"):
        optimizer: Optimizer = built
        return optimizer
    return _Plain(built, getattr(built, "candidates", 1))
