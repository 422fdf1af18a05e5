"""A scoring method: one line ``name = value`` a criterion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import show
from polyjudge.errors import ReplyError
from polyjudge.judge.scoring import Question, Scored
from polyjudge.llm.request import Abilities, Message, Reply, Sampling


@dataclass(frozen=True)
class Lines:
    name: str = "guest-lines"
    on_scale: bool = True
    reminder: str = "Write one line for each criterion, as asked."
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls()

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return ()

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        item = "\n".join(f"{label}: {example.inputs[column]}" for column, label in prompt.inputs)
        asked = "\n".join(f"{one.name} ({one.scale.describe()}): {one.instruction}" for one in prompt.criteria)
        text = f"{prompt.task}\n{item}\nWrite a line NAME = VALUE for each of:\n{asked}"
        return Question((Message("user", text),), sampling)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return show(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        lines = dict(re.findall(r"^(\w+) = (\d+)$", reply.text, re.MULTILINE))
        scores = {
            one.name: float(lines[one.name])
            for one in prompt.criteria
            if one.name in lines and one.scale.allows(float(lines[one.name]))
        }
        if not scores:
            raise ReplyError("no line of the form NAME = VALUE")
        return Scored(scores)
