"""Rated training examples that are shown to the judge, added one by one where they raise the agreement.

A turn offers examples of its batch, each behind the demonstrations that the prompt has already. Those whose ratings
are rarest among them come first, so that every level of the scales gets its turn. The gate takes the best if it raises
the mean agreement on the validation rows; no instruction changes and no model writes anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.prompt_template import DEMONSTRATIONS
from polyjudge.domain.records import Candidate
from polyjudge.domain.scale import Continuous
from polyjudge.errors import ConfigError
from polyjudge.judge.predict import Judge
from polyjudge.optimizers.base import Context, Proposal, Turn, TurnPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrations:
    """Demonstrations chosen by greedy gain on the validation rows, from batches of 12 training rows (``batch``).

    Attributes:
        candidates: examples that a turn tries; None: the run's, else 4.
        most: how many demonstrations a prompt may get.
        mode: any but "ST"; None: the run's.

    Raises:
        ConfigError: ``most`` is no whole number above 0.
    """

    candidates: int | None = None
    most: int = 8
    mode: str | None = None

    roles: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"batch": 12, "steps": 8})

    def __post_init__(self) -> None:
        if not isinstance(self.most, int) or isinstance(self.most, bool) or self.most < 1:
            raise ConfigError(f"most={self.most!r}: a whole number from 1 on is needed")

    def build(self, context: Context) -> DemonstrationsOptimizer:
        """The optimizer over the context's criteria.

        Raises:
            ConfigError: a gate that measures nothing, or mode ST.
        """
        if not context.measures:
            raise ConfigError("optimizer 'demonstrations' lets the gate choose, and gate 'none' measures none")
        if self.mode == "ST":
            raise ConfigError("optimizer 'demonstrations' chooses examples for all criteria; leave out --mode ST")
        return DemonstrationsOptimizer(self.candidates or 4, self.most)


@dataclass(frozen=True, slots=True)
class DemonstrationsOptimizer:
    """The optimizer of a run.

    Attributes:
        candidates: examples that a turn tries.
        most: how many demonstrations a prompt may get.
    """

    candidates: int
    most: int

    async def propose(self, turn: Turn) -> Proposal:
        shown = turn.prompt.demonstrations
        if len(shown) >= self.most:
            return Proposal((Candidate({}, f"the prompt has its {self.most} demonstrations"),))
        ids = {example.id for example in shown}
        fresh = [example for example in turn.batch if example.id not in ids]
        added = balanced(fresh, turn.prompt.criteria, self.candidates, shown)
        prompts = [turn.prompt.revise({}, (*shown, example)) for example in added]
        reason = next(filter(None, (_refusal(turn.judge, prompt) for prompt in prompts)), "")
        if reason or not prompts:
            return Proposal((Candidate({}, reason or "no rated example of the batch is left"),))
        tried = {scored.demonstrations for scored in turn.scored if scored.instructions == turn.prompt.instructions}
        new = [prompt for prompt in prompts if tuple(one.id for one in prompt.demonstrations) not in tried]
        return Proposal(
            tuple(Candidate({}, demonstrations=prompt.demonstrations) for prompt in new)
            or (Candidate({}, "every rated example of the batch was tried before"),)
        )

    def plan(self, turn: Turn) -> TurnPlan:
        return TurnPlan()


def balanced(
    examples: Sequence[Example],
    criteria: Sequence[Criterion],
    count: int,
    shown: Sequence[Example] = (),
    seed: str | None = None,
) -> list[Example]:
    """Examples whose ratings spread over the scales: each next one has the levels that are rarest so far.

    Args:
        examples: to choose from; those that nobody rated on any of the criteria are left out.
        criteria: whose levels count.
        count: how many, at most.
        shown: examples whose levels are there already.
        seed: shuffles the examples first; None keeps their order, which decides between equals.
    """
    left = [example for example in examples if any(not math.isnan(example.human(one)) for one in criteria)]
    if seed is not None:
        Random(seed).shuffle(left)
    seen: dict[tuple[str, int], int] = {}
    for example in shown:
        _count(example, criteria, seen)
    taken: list[Example] = []
    while left and len(taken) < count:
        rarest = min(left, key=lambda example: _commonness(example, criteria, seen))
        left.remove(rarest)
        taken.append(rarest)
        _count(rarest, criteria, seen)
    return taken


def _commonness(
    example: Example, criteria: Sequence[Criterion], seen: Mapping[tuple[str, int], int]
) -> tuple[int, int]:
    """How few criteria were rated, which come last, and how often its levels were seen."""
    levels = _levels(example, criteria)
    return len(criteria) - len(levels), sum(seen.get(level, 0) for level in levels)


def _count(example: Example, criteria: Sequence[Criterion], seen: dict[tuple[str, int], int]) -> None:
    for level in _levels(example, criteria):
        seen[level] = seen.get(level, 0) + 1


def _levels(example: Example, criteria: Sequence[Criterion]) -> list[tuple[str, int]]:
    """(criterion, level) of each rating; a continuous scale has five."""
    levels = []
    for criterion in criteria:
        human, scale = example.human(criterion), criterion.scale
        if math.isnan(human):
            continue
        bounds = scale.levels
        if bounds:
            levels.append((criterion.name, min(range(len(bounds)), key=lambda at: abs(bounds[at] - human))))
        elif isinstance(scale, Continuous):
            levels.append((criterion.name, min(4, int(5 * (human - scale.low) / (scale.high - scale.low)))))
    return levels


def _refusal(judge: Judge, prompt: JudgePrompt) -> str:
    """Why the judge cannot be shown demonstrations; "" when it can."""
    if prompt.template is not None and not prompt.template.holds(DEMONSTRATIONS):
        return "your own prompt has no place {{ demonstrations }}"
    abilities = judge.asker.abilities(judge.role.model)
    return judge.scoring.refusal(prompt.only(judge.groups(prompt)[0]), abilities)
