"""Stand-ins for texts that nobody has written yet, so that prompts can be rendered and counted before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Call, Prediction
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.judge.predict import Judge
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import PlannedCalls

_WORD = "word "
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
    """A typical length, or the longest that the stage may write where that is less."""
    return min(tokens, stage.role.sampling.max_tokens)


def planned(role: str, texts: Sequence[str], answers: Sequence[int]) -> PlannedCalls:
    """The calls of a role from the prompts that it will be sent and the tokens that it will write, one a call."""
    return PlannedCalls(role, len(texts), sum(map(tokens_of, texts)), sum(answers))


def grown(prompt: JudgePrompt, tokens: int, share: float = 1.0) -> JudgePrompt:
    """The prompt with instructions that have gone a share (0..1) of the way to a length of so many tokens."""
    return replace(
        prompt,
        criteria=tuple(
            replace(one, instruction=_grown(one.instruction, tokens, share)) if share else one
            for one in prompt.criteria
        ),
    )


def answer(criteria: Sequence[Criterion]) -> str:
    """A judge's reply about some criteria, as long as one in JSON is in tokens: signs count more than letters."""
    longest = sum(max(map(len, one.scale.labels), default=len("0.00")) for one in criteria)
    names = sum(len(one.name) for one in criteria)
    return filler(2 + (names + longest) // CHARACTERS_A_TOKEN + SIGNS * len(criteria))


def imagined(judge: Judge, prompt: JudgePrompt, example: Example) -> Prediction:
    """A prediction as the judge would make it, with the people's scores and a reply that stands for its own."""
    groups = judge.groups(prompt)
    calls = tuple(Call(group, "", answer(prompt.only(group).criteria)) for group in groups)
    return Prediction(example.id, {one.name: example.human(one) for one in prompt.criteria}, calls)


def _grown(text: str, tokens: int, share: float) -> str:
    now = tokens_of(text)
    more = round((tokens - now) * share)
    return f"{text} {filler(more)}" if more > 0 else text
