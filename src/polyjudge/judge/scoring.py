"""The seam between a judge prompt and a number: what is asked, and how the reply becomes scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol, Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.llm.request import Abilities, Blank, Message, Reply, Sampling

# Tokens beside the ratings of a reply: a fence, a sentence before or after them.
ROOM = 128
# The user's own prompt may ask for reasons beside them.
OWN_ROOM = 1024
# A number on a continuous scale, with the longest fraction that is written.
NUMBER = "-0.0000000000000000"


@dataclass(frozen=True, slots=True)
class Question:
    """One judge call before it has a model: messages, and what is wanted of the reply.

    Attributes:
        shared: the beginning of the first message that it has in common with the other questions on the item; "" where
            the item does not come first.
        form: the reply's fixed text with a blank for each value, where the endpoint fills forms.
        questions: decision questions on the messages, as JSON text; "" = a chat.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    schema: str = ""
    top_logprobs: int = 0
    shared: str = ""
    form: tuple[Blank, ...] = ()
    questions: str = ""

    @property
    def text(self) -> str:
        """The prompt as later stages see it."""
        asked = [f"- {one['name']}: {one['instructions']}" for one in json.loads(self.questions or "[]")]
        return "\n\n".join([*(message.content for message in self.messages), *asked])


@dataclass(frozen=True, slots=True)
class Scored:
    """What a reply says.

    Attributes:
        scores: criterion -> score, for those that can be read.
        distributions: criterion -> label -> probability; empty where the scoring method gives a score alone.
        lost: criterion -> share of the probability that fell on none of its labels, 0..1.
        reasons: criterion -> the reason that the reply gives for its score; empty where none is asked for.
    """

    scores: Mapping[str, float]
    distributions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lost: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


class Scoring(Protocol):
    """How a reply becomes numbers. A scoring method is one file and one row of the registry."""

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        """The scoring method for a prompt's criteria; ``structured``: whether replies may be held to a JSON schema."""
        ...

    @property
    def name(self) -> str:
        """As in settings, records and judge files."""
        ...

    @property
    def on_scale(self) -> bool:
        """Whether scores are values of the criterion's scale; if not, only rank statistics mean anything."""
        ...

    @property
    def reminder(self) -> str:
        """What is said with a question that is asked again; "" when the question bears no addition."""
        ...

    @property
    def samples(self) -> int:
        """How many answers to the same question make one score; 1 = the answer itself."""
        ...

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        """The labels whose probabilities it gives beside a score; empty when it gives none."""
        ...

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        """Why it cannot ask for the criteria of ``prompt`` in one call, for the user; "" when it can."""
        ...

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        """The call that asks for every criterion of ``prompt``.

        ``item_first``: what stands before the criteria is then the same whichever they are.
        """
        ...

    def spoken(self, criterion: Criterion, score: float) -> str:
        """A score as the textual stages hear it: "4", "refusal", "a share of 12 %"."""
        ...

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        """The scores that can be read.

        Raises:
            ReplyError: none can.
        """
        ...


def prose_of(scoring: object) -> int:
    """The most tokens of prose that a scoring method asks for beside each score; most ask for none and say nothing."""
    return int(getattr(scoring, "prose", 0))


def with_limit(sampling: Sampling, prompt: JudgePrompt, prose: int = 0) -> Sampling:
    """The sampling with an answer limit that ratings of every criterion fit in, unless the user set a limit.

    ``prose``: the most tokens of prose beside each rating.

    No token is shorter than a byte, so that the bytes of the longest JSON answer bound its tokens in any tokeniser.
    """
    if sampling.max_tokens:
        return sampling
    room = ROOM if prompt.template is None else OWN_ROOM
    room += prose * len(prompt.criteria)
    return replace(sampling, max_tokens=room + _longest_answer(prompt.criteria))


@lru_cache(maxsize=256)
def _longest_answer(criteria: tuple[Criterion, ...]) -> int:
    """Bytes of the longest JSON answer; computed once a prompt and not once an item."""
    longest = {
        criterion.name: max(criterion.scale.labels, key=lambda label: len(json.dumps(label)), default=NUMBER)
        for criterion in criteria
    }
    return len(json.dumps(longest, indent=4))


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
