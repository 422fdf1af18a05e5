"""Scoring ``expected`` without token probabilities: several answers to one question, each read as by ``json``.

A score is the mean of the samples that could be read, on a categorical scale the label that most of them gave (of
labels given equally often the one that came first). An unreadable sample makes them fewer and nothing else.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN, Categorical, Scale
from polyjudge.judge.expected import spoken
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.scoring import Question, Scored
from polyjudge.llm.request import Abilities, Reply, Sampling


@dataclass(frozen=True, slots=True)
class SampledScoring:
    """Attributes:
    samples: how many answers make a score; their chance is the judge's temperature.
    asking: what is asked and how one answer is read.
    """

    samples: int = 1
    asking: JsonScoring = field(default_factory=JsonScoring)
    name: str = "expected"
    on_scale: bool = True

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls(asking=JsonScoring.of(prompt, structured))

    @property
    def reminder(self) -> str:
        return self.asking.reminder

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return criterion.scale.labels

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        return self.asking.question(prompt, example, sampling, abilities, item_first=item_first)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return spoken(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        return self.asking.read(reply, prompt)


def pooled(prompt: JudgePrompt, samples: Sequence[Prediction]) -> Prediction:
    """One prediction of several samples of it, with the calls of the first that could be read.

    Its distributions are the shares of the readable samples; a scale without steps has none.
    """
    read = {
        c.name: [score for score in (one.score(c.name) for one in samples) if not math.isnan(score)]
        for c in prompt.criteria
    }
    shown = next((one for one in samples if len(one.unscored) < len(one.scores)), samples[0])
    return Prediction(
        example=shown.example,
        scores={c.name: _middle(c.scale, read[c.name]) for c in prompt.criteria},
        calls=shown.calls,
        distributions={
            c.name: _shares(c.scale, read[c.name]) for c in prompt.criteria if read[c.name] and c.scale.labels
        },
        samples={name: len(scores) for name, scores in read.items()},
    )


def _middle(scale: Scale, scores: Sequence[float]) -> float:
    if not scores:
        return NAN
    if isinstance(scale, Categorical):
        return Counter(scores).most_common(1)[0][0]
    return math.fsum(scores) / len(scores)


def _shares(scale: Scale, scores: Sequence[float]) -> dict[str, float]:
    counts = Counter(scores)
    return {label: counts[level] / len(scores) for label, level in zip(scale.labels, scale.levels, strict=True)}
