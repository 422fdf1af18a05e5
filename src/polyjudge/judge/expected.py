"""Scoring ``expected``: the mean of a criterion's values, weighted by how probable each was where one was written.

The judge writes the same JSON as for ``json``, once. At the place of a criterion's value the probabilities of its
labels are renormalised: on an ordinal scale the score is their mean, on a categorical one the most probable label.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.errors import ReplyError
from polyjudge.judge.distribution import Distribution, distribution
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.places import Place, places
from polyjudge.judge.scoring import Question, Scored
from polyjudge.llm.request import Abilities, Reply, Sampling

# More alternatives cost room in every token of a reply, and those behind the twentieth hold next to nothing.
ALTERNATIVES = 20


@dataclass(frozen=True, slots=True)
class ExpectedScoring:
    """Attributes:
    asking: what is asked, as for the scoring method ``json``.
    """

    asking: JsonScoring = field(default_factory=JsonScoring)
    name: str = "expected"
    on_scale: bool = True
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls(JsonScoring.of(prompt, structured))

    @property
    def reminder(self) -> str:
        return self.asking.reminder

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return criterion.scale.labels

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        endless = [criterion.name for criterion in prompt.criteria if not criterion.scale.labels]
        if endless:
            told = ", ".join(map(repr, endless))
            return f"the scales of {told} have no steps to weigh (--samples K gives a mean of samples instead)"
        if abilities.logprobs < _most_labels(prompt):
            return (
                f"the model's endpoint gives {abilities.logprobs} token probabilities, and a scale has "
                f"{_most_labels(prompt)} labels (--samples K gives a mean of samples instead)"
            )
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        wanted = min(abilities.logprobs, max(ALTERNATIVES, 2 * _most_labels(prompt)))
        asked = self.asking.question(prompt, example, sampling, abilities, item_first=item_first)
        return replace(asked, top_logprobs=wanted)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return spoken(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        if not any(token.top for token in reply.tokens):
            raise ReplyError("the reply carries no token probabilities")
        found = places(reply.text, prompt.criteria, cut=reply.finish == "length")
        spelled = "".join(token.token for token in reply.tokens)
        ends = [*accumulate(len(token.token) for token in reply.tokens)]
        told: dict[str, Distribution] = {}
        for criterion in prompt.criteria:
            place = found.get(criterion.name)
            at = None if place is None else _aligned(reply.text, spelled, place)
            if at is None:
                continue
            first = bisect_right(ends, at)
            before = len(reply.tokens[first].token) - (ends[first] - at)
            one = distribution(reply.tokens[first:], before, criterion.scale.labels)
            if one is not None and one.telling:
                told[criterion.name] = one
        if not told:
            raise ReplyError("the reply's token probabilities say too little about the labels of any criterion")
        return Scored(
            {c.name: expectation(c.scale, told[c.name].probabilities) for c in prompt.criteria if c.name in told},
            {name: one.probabilities for name, one in told.items()},
            {name: one.lost for name, one in told.items()},
        )


def expectation(scale: Scale, probabilities: Mapping[str, float]) -> float:
    """The mean of the values under label -> probability (sum 1); on labels the position of the most probable one."""
    weights = [probabilities[label] for label in scale.labels]
    if isinstance(scale, Categorical):
        return float(weights.index(max(weights)))
    mean = math.fsum(weight * level for weight, level in zip(weights, scale.levels, strict=True))
    return min(max(mean, scale.low), scale.high)


def spoken(scale: Scale, score: float) -> str:
    """An expected score as the textual stages hear it: more than a tenth of a point is noise."""
    return show(scale, score if isinstance(scale, Categorical) else round(score, 1))


def _most_labels(prompt: JudgePrompt) -> int:
    return max(len(criterion.scale.labels) for criterion in prompt.criteria)


def _aligned(text: str, spelled: str, place: Place) -> int | None:
    """Where a place of the text begins in what the tokens spell; None when that cannot be told.

    A server may take a fence or a thought off the text, and half a character stands in tokens only.
    """
    offset = spelled.rfind(text)
    if offset != -1:
        return offset + place.start
    if spelled.endswith(text[place.start :]):
        return len(spelled) - len(text) + place.start
    return place.start if spelled.startswith(text[: place.end]) else None
