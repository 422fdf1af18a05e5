"""``expected`` and ``reasoned`` without token probabilities: several answers to one question, each read as written.

A score is the mean of the samples that could be read, on a categorical scale the label that most of them gave (of
labels given equally often the one that came first). An unreadable sample makes them fewer and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.scoring import Question, Scored, Scoring, prose_of, spoken
from polyjudge.llm.request import Abilities, Reply, Sampling


@dataclass(frozen=True, slots=True)
class SampledScoring:
    """Attributes:
    samples: how many answers make a score; their chance is the judge's temperature.
    asking: what is asked and how one answer is read.
    """

    samples: int = 1
    asking: Scoring = field(default_factory=JsonScoring)
    name: str = "expected"
    on_scale: bool = True

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls(asking=JsonScoring.of(prompt, structured))

    @property
    def reminder(self) -> str:
        return self.asking.reminder

    @property
    def prose(self) -> int:
        return prose_of(self.asking)

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return criterion.scale.labels

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        return self.asking.refusal(prompt, abilities)

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        return self.asking.question(prompt, example, sampling, abilities, item_first=item_first)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return spoken(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        return self.asking.read(reply, prompt)
