"""Placeholders for texts that do not exist yet, so that prompts can be rendered and counted before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Call, Prediction
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.judge.predict import Judge
from polyjudge.judge.scoring import prose_of
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import PlannedCalls

_WORD = "word "
# The longest prose beside a score, in typical ones.
LONGEST_TO_TYPICAL = 4
# Quotes, colon, comma and blank around a member of a JSON object.
SIGNS = 4


def filler(tokens: int) -> str:
    """A text of about so many tokens."""
    length = max(1, tokens) * CHARACTERS_A_TOKEN
    return (_WORD * (length // len(_WORD) + 1))[:length].strip()


def tokens_of(text: str) -> int:
    """Estimated tokens of a text."""
    return len(text) // CHARACTERS_A_TOKEN + 1


def bounded(tokens: int, stage: Stage) -> int:
    """A typical length, at most the stage's limit."""
    return min(tokens, stage.role.sampling.max_tokens)


def planned(role: str, texts: Sequence[str], answers: Sequence[int]) -> PlannedCalls:
    """The calls of a role, from the prompt and the completion tokens of each."""
    return PlannedCalls(role, len(texts), sum(map(tokens_of, texts)), sum(answers))


def grown(prompt: JudgePrompt, tokens: int, share: float = 1.0) -> JudgePrompt:
    """The prompt with longer instructions: a share (0..1) of the way to a length of so many tokens."""
    return replace(
        prompt,
        criteria=tuple(
            replace(criterion, instruction=_grown(criterion.instruction, tokens, share)) if share else criterion
            for criterion in prompt.criteria
        ),
    )


def answer(criteria: Sequence[Criterion], scoring: object = None) -> str:
    """A placeholder of as many tokens as a judge's JSON reply about some criteria, where signs count most.

    ``scoring``: the method, which may ask for prose beside each score.
    """
    longest = sum(max(map(len, criterion.scale.labels), default=len("0.00")) for criterion in criteria)
    names = sum(len(criterion.name) for criterion in criteria)
    prose = prose_of(scoring) // LONGEST_TO_TYPICAL
    return filler(2 + (names + longest) // CHARACTERS_A_TOKEN + (SIGNS + prose) * len(criteria))


def imagined(judge: Judge, prompt: JudgePrompt, example: Example) -> Prediction:
    """A placeholder for the judge's prediction, with the human ratings as scores."""
    groups = judge.groups(prompt)
    calls = tuple(Call(group, "", answer(prompt.only(group).criteria, judge.scoring)) for group in groups)
    return Prediction(example.id, {criterion.name: example.human(criterion) for criterion in prompt.criteria}, calls)


def _grown(text: str, tokens: int, share: float) -> str:
    growth = round((tokens - tokens_of(text)) * share)
    return f"{text} {filler(growth)}" if growth > 0 else text
