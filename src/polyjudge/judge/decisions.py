"""Scoring ``decisions``: the item once, a question for each criterion, and a probability for each level of its scale.

Ordered levels are a score question, labels a choice. On an ordinal scale the score is the mean of the levels, weighted
by their probabilities; on labels it is the most probable one. A question that the model refuses is unscored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ReplyError
from polyjudge.formatting.text import excerpt
from polyjudge.judge.own_prompt import OWN_QUESTION
from polyjudge.judge.render import decision_input
from polyjudge.judge.scoring import Question, Scored, expectation, spoken
from polyjudge.llm.request import Abilities, Message, Reply, Sampling

MOST_QUESTIONS, MOST_LEVELS, MOST_CHOICES = 400, 10, 255
# Providers round what they send.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class DecisionScoring:
    """It has no settings: neither temperature nor JSON schema is part of the protocol."""

    name: str = "decisions"
    on_scale: bool = True
    reminder: str = ""
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls()

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return criterion.scale.labels

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        if prompt.template is not None:
            return OWN_QUESTION
        if not abilities.decisions:
            return (
                "the model's endpoint is not known to answer decision questions (openai/gpt-6-luna, sglang/MODEL do)"
            )
        if len(prompt.criteria) > MOST_QUESTIONS:
            return f"a call takes at most {MOST_QUESTIONS} questions, not {len(prompt.criteria)} (--layout a+b,c does)"
        for criterion in prompt.criteria:
            most = MOST_CHOICES if isinstance(criterion.scale, Categorical) else MOST_LEVELS
            count = len(criterion.scale.labels)
            if not count:
                return f"the scale of {criterion.name!r} has no levels to ask about"
            if count > most:
                return f"the scale of {criterion.name!r} has {count} levels, and a question takes at most {most}"
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        text = decision_input(prompt, example)
        questions = json.dumps([_question(criterion) for criterion in prompt.criteria], ensure_ascii=False)
        # The ratings of demonstrations differ from call to call.
        shared = text if item_first and not prompt.demonstrations else ""
        unvaried = Sampling(0.0, sampling.max_tokens, sampling.extra)
        return Question((Message("user", text),), unvaried, shared=shared, questions=questions)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return spoken(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        answers = _answers(reply.text, len(prompt.criteria))
        found: dict[str, dict[str, float]] = {}
        lost: dict[str, float] = {}
        for criterion, answer in zip(prompt.criteria, answers, strict=True):
            masses = _masses(criterion, answer)
            if masses is not None:
                total = math.fsum(masses.values())
                found[criterion.name] = {label: mass / total for label, mass in masses.items()}
                lost[criterion.name] = min(1.0, max(0.0, 1 - total))
        if not found:
            raise ReplyError(f"no question was answered with probabilities in the reply {excerpt(reply.text)}")
        scores = {c.name: expectation(c.scale, found[c.name]) for c in prompt.criteria if c.name in found}
        return Scored(scores, found, lost)


def _question(criterion: Criterion) -> dict[str, Any]:
    """The question about a criterion, with what its levels mean where that is known."""
    texts = [criterion.definition, criterion.instruction.strip()]
    asked = {"name": criterion.name, "instructions": "\n".join(text for text in texts if text)}
    meanings = dict(criterion.levels)
    described = [
        (label, {"description": meanings[level]} if level in meanings else {})
        for label, level in zip(criterion.scale.labels, criterion.scale.levels, strict=True)
    ]
    if isinstance(criterion.scale, Categorical):
        return {"type": "choice", **asked, "choices": [{"value": label, **more} for label, more in described]}
    return {"type": "score", **asked, "levels": [{"label": label, **more} for label, more in described]}


def _answers(text: str, count: int) -> list[Any]:
    """One answer for each question, in their order.

    Raises:
        ReplyError: anything else.
    """
    try:
        answers = json.loads(text)
    except (ValueError, RecursionError):
        answers = None
    if not isinstance(answers, list) or len(answers) != count:
        raise ReplyError(f"the reply {excerpt(text)} does not hold {count} answers")
    return answers


def _masses(criterion: Criterion, answer: Any) -> dict[str, float] | None:
    """The probability of each label, with a sum above 0; None for a refusal, or where one is missing or none."""
    kind, key = ("choice", "value") if isinstance(criterion.scale, Categorical) else ("score", "label")
    if not isinstance(answer, Mapping) or answer.get("type") != kind:
        return None
    if answer.get("name") not in (None, criterion.name) or not isinstance(answer.get("probabilities"), list):
        return None
    masses: dict[str, float] = {}
    for entry in answer["probabilities"]:
        label, mass = (entry.get(key), entry.get("probability")) if isinstance(entry, Mapping) else (None, None)
        if (
            not isinstance(label, str)
            or isinstance(mass, bool)
            or not isinstance(mass, int | float)
            or label in masses
        ):
            return None
        masses[label] = float(mass)
    total = math.fsum(masses.values())
    fair = all(0 <= mass <= 1 + _ROUNDING for mass in masses.values()) and 0 < total <= 1 + len(masses) * _ROUNDING
    return masses if fair and set(masses) == set(criterion.scale.labels) else None
