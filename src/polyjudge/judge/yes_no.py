"""Scoring ``yes-no``: one question a criterion, and the score is how much more probable yes is than no as its answer.

The score is p(yes) / (p(yes) + p(no)) at the answer's first token, 0 to 1, higher is more. It is not a value of the
rating scale, so that only rank statistics are defined on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ReplyError
from polyjudge.judge.expected import distribution
from polyjudge.judge.own_prompt import OWN_QUESTION
from polyjudge.judge.render import criterion_lines, item
from polyjudge.judge.scoring import Question, Scored
from polyjudge.llm.request import Abilities, Message, Reply, Sampling
from polyjudge.templates.load import render

ANSWERS = ("yes", "no")
# Of one token many alternatives cost nothing, and a small model's yes and no are seldom among the first twenty.
ALTERNATIVES = 500


@dataclass(frozen=True, slots=True)
class YesNoScoring:
    """It asks of one criterion a call, and has no settings."""

    name: str = "yes-no"
    on_scale: bool = False
    reminder: str = ""
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls()

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return ANSWERS

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        if prompt.template is not None:
            return OWN_QUESTION
        labelled = [c.name for c in prompt.criteria if isinstance(c.scale, Categorical)]
        if labelled:
            return f"labels are the scale of {', '.join(map(repr, labelled))}, and a yes or no gives a strength"
        if len(prompt.criteria) > 1:
            return "one call asks one question of one criterion (--layout forked or separate does)"
        if prompt.demonstrations:
            return "its question has no room for rated examples (leave out --demonstrations)"
        if abilities.logprobs < len(ANSWERS):
            return "the model's endpoint gives no token probabilities"
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        (criterion,) = prompt.criteria
        material = {"task": prompt.task, "item": item(prompt, example)}
        asked = {
            "criterion": criterion_lines(criterion),
            "scale": criterion.scale.describe(),
            "name": criterion.name,
        }
        shared = render("fork_yesno_item", **material) + "\n" if item_first else ""
        text = (
            shared + render("fork_yesno_criterion", **asked)
            if item_first
            else render("judge_yesno", **material, **asked)
        )
        one_token = Sampling(sampling.temperature, 1, sampling.extra)
        wanted = min(abilities.logprobs, ALTERNATIVES)
        return Question((Message("user", text),), one_token, top_logprobs=wanted, shared=shared)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return f"a probability of {score:.0%} that it belongs in the upper half of the scale"

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        if not reply.tokens or not reply.tokens[0].top:
            raise ReplyError("the reply carries no token probabilities")
        found = distribution(reply.tokens[:1], 0, ANSWERS)
        if found is None or not found.telling:
            raise ReplyError("neither yes nor no is among the most probable answers")
        (criterion,) = prompt.criteria
        name = criterion.name
        return Scored({name: found.probabilities["yes"]}, {name: found.probabilities}, {name: found.lost})
