"""Scoring ``json``: the judge writes its ratings as JSON, and a strict reader takes them as they stand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Scale, show
from polyjudge.judge.own_prompt import reply_refusal
from polyjudge.judge.render import own_prefix, rating_messages, rating_prefix, rating_request
from polyjudge.judge.scoring import Question, Scored
from polyjudge.llm.request import Abilities, Blank, Message, Reply, Sampling
from polyjudge.templates.schema import schema_text
from polyjudge.templates.score_parser import read_scores


@dataclass(frozen=True, slots=True)
class JsonScoring:
    """Attributes:
    structured: whether replies are held to a JSON schema where the endpoint offers that.
    """

    structured: bool = True
    name: str = "json"
    on_scale: bool = True
    reminder: str = (
        "Your previous reply could not be read. Reply with the JSON object alone: every key of the output format, "
        "each with one of the values that the format allows."
    )
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls(structured)

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return ()

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        return reply_refusal(prompt, held=self.structured and abilities.schema)

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        form = _form(prompt) if self.structured and abilities.fills else ()
        schema = _schema(prompt) if self.structured and abilities.schema and not form else ""
        if not item_first or prompt.template:
            return Question(
                rating_messages(prompt, example),
                sampling,
                schema,
                shared=own_prefix(prompt, example) if item_first else "",
                form=form,
            )
        shared = rating_prefix(prompt, example)
        messages = (Message("user", shared + rating_request(prompt)),)
        return Question(messages, sampling, schema, shared=shared, form=form)

    def spoken(self, criterion: Criterion, score: float) -> str:
        return show(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        return Scored(read_scores(reply.text, prompt.criteria, cut=reply.finish == "length"))


def _form(prompt: JudgePrompt) -> tuple[Blank, ...]:
    """The object that a reply must be, with a blank for each value; () where a scale has no steps to choose from.

    Labels beyond ASCII may be split within a character, where a model's choice cannot be told.
    """
    if not all(criterion.scale.labels and "".join(criterion.scale.labels).isascii() for criterion in prompt.criteria):
        return ()
    blanks: list[Blank] = []
    fixed = "{"
    for criterion in prompt.criteria:
        quote = '"' if isinstance(criterion.scale, Categorical) else ""
        choices = tuple(json.dumps(label)[1:-1] for label in criterion.scale.labels)
        blanks.append(Blank(f"{fixed}{json.dumps(criterion.name, ensure_ascii=False)}: {quote}", choices))
        fixed = f"{quote}, "
    return (*blanks, Blank(fixed.removesuffix(", ") + "}"))


def _schema(prompt: JudgePrompt) -> str:
    return schema_text({criterion.name: value_schema(criterion.scale) for criterion in prompt.criteria})


def value_schema(scale: Scale) -> dict[str, object]:
    """The JSON schema of a value on a scale."""
    if isinstance(scale, Continuous):
        return {"type": "number"}
    if isinstance(scale, Categorical):
        return {"type": "string", "enum": list(scale.labels)}
    if all(level.is_integer() for level in scale.levels):
        return {"type": "integer", "enum": [int(level) for level in scale.levels]}
    return {"type": "number", "enum": list(scale.levels)}
