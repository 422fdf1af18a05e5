"""A bound on the calls of a run's steps, so that optimizers can be compared at equal cost.

Every question of the loop counts, whoever asks it and whether or not the response cache knows the answer, so that a
resumed run ends its search at the same step. A turn that could exceed the bound proposes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from polyjudge.domain.records import Candidate
from polyjudge.llm.request import Abilities, Asker, Reply, Request
from polyjudge.optimizers.base import Optimizer, Proposal, Turn, TurnPlan


@dataclass(slots=True)
class CountingAsker:
    """An asker that passes requests on and counts them.

    Attributes:
        inner: asks.
        asked: how many requests there were.
    """

    inner: Asker
    asked: int = 0

    async def ask(self, request: Request) -> Reply:
        self.asked += 1
        return await self.inner.ask(request)

    def abilities(self, model: str) -> Abilities:
        return self.inner.abilities(model)


@dataclass(frozen=True, slots=True)
class BoundedOptimizer:
    """An optimizer whose turns stay below a bound of calls.

    Attributes:
        inner: proposes.
        most: calls of all turns, the judge's on the validation rows and of the initial prompt included.
        asked: how many calls were made so far.
        rows: validation rows that each candidate is judged on; 0 under a gate that measures nothing.
        merges: whether the gate may have a merged prompt judged as well.
    """

    inner: Optimizer
    most: int
    asked: Callable[[], int] = field(compare=False)
    rows: int
    merges: bool

    @property
    def candidates(self) -> int:
        return self.inner.candidates

    async def propose(self, turn: Turn) -> Proposal:
        asked, next_ = self.asked(), self.turn_calls(turn)
        if asked + next_ > self.most:
            reason = f"{asked:,} of {self.most:,} calls of the steps are used, and a turn may take {next_:,}"
            return Proposal((Candidate({}, reason),))
        return await self.inner.propose(turn)

    def plan(self, turn: Turn) -> TurnPlan:
        return self.inner.plan(turn)

    def turns(self, turn: Turn) -> int:
        """For how many turns like this one the calls suffice, if each takes as many as it may."""
        left = self.most - self.rows * self._an_item(turn)
        return max(0, left // max(1, self.turn_calls(turn)))

    def turn_calls(self, turn: Turn) -> int:
        """The most calls of a turn, without parse retries."""
        plan, groups = self.inner.plan(turn), turn.judge.groups(turn.prompt)
        shared = sum(len(group) > 1 for group in groups) * turn.judge.scoring.samples if self.merges else 0
        judged = (plan.judged + self.rows * self.inner.candidates) * self._an_item(turn)
        return sum(calls.calls for calls in plan.calls) + judged + self.rows * shared

    @staticmethod
    def _an_item(turn: Turn) -> int:
        return len(turn.judge.groups(turn.prompt)) * turn.judge.scoring.samples
