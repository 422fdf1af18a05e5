"""Scoring ``reasoned``: the judge writes a short reason for each criterion and then its score, in one JSON reply.

Where the endpoint gives token probabilities, a score is the expected one at the score's place behind the reason.
``reasoned-json`` takes the score as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import show
from polyjudge.judge.expected import has_probabilities, wanted_logprobs, weighed
from polyjudge.judge.json_scoring import value_schema
from polyjudge.judge.own_prompt import reply_refusal
from polyjudge.judge.render import own_prefix, rating_messages, rating_prefix, rating_request, reasoned_format
from polyjudge.judge.scoring import Question, Scored, spoken
from polyjudge.llm.request import Abilities, Message, Reply, Sampling
from polyjudge.templates.reason_parser import REASON, SCORE, read_reasoned
from polyjudge.templates.schema import schema_text, strict_object

# The longest reason in characters, where the engine bounds texts, and in tokens. Thirty words take about half.
LONGEST, TOKENS = 300, 200


@dataclass(frozen=True, slots=True)
class ReasonedScoring:
    """Attributes:
    structured: whether replies are held to a JSON schema where the endpoint offers that.
    weighs: whether scores are expected ones where the endpoint is known to give token probabilities.
    prose: the most tokens of a reason.
    """

    structured: bool = True
    weighs: bool = True
    name: str = "reasoned"
    on_scale: bool = True
    reminder: str = (
        "Your previous reply could not be read. Reply with the JSON object alone: every key of the output format, the "
        "reason before the score, and one of the values that the format allows as each score."
    )
    samples: int = 1
    prose: int = TOKENS

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls(structured)

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return criterion.scale.labels if self.weighs else ()

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        return reply_refusal(prompt, held=self.structured and abilities.schema)

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        schema = _schema(prompt, bounded=abilities.bounds) if self.structured and abilities.schema else ""
        labelled = _labelled(prompt)
        known = self.weighs and labelled.criteria and not abilities.assumed
        logprobs = wanted_logprobs(labelled, abilities) if known else 0
        wanted = reasoned_format(prompt)
        if item_first and not prompt.template:
            shared = rating_prefix(prompt, example)
            text = shared + rating_request(prompt, reply_format=wanted, frame="fork_criteria_reasoned")
            return Question((Message("user", text),), sampling, schema, logprobs, shared)
        messages = rating_messages(prompt, example, reply_format=wanted, frame="judge_reasoned")
        return Question(messages, sampling, schema, logprobs, own_prefix(prompt, example) if item_first else "")

    def spoken(self, criterion: Criterion, score: float) -> str:
        return spoken(criterion.scale, score) if self.weighs else show(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        found = read_reasoned(reply.text, prompt.criteria, cut=reply.finish == "length")
        reasons = {name: one.reason for name, one in found.items() if one.reason}
        statements = {name: one.statement for name, one in found.items()}
        labelled = _labelled(prompt)
        if not (self.weighs and labelled.criteria and has_probabilities(reply)):
            return Scored({name: statement.score for name, statement in statements.items()}, reasons=reasons)
        scored = weighed(reply, statements, labelled)
        written = {name: one.score for name, one in statements.items() if name not in labelled.names}
        return replace(scored, scores={**scored.scores, **written}, reasons=reasons)


@dataclass(frozen=True, slots=True)
class ReasonedJsonScoring(ReasonedScoring):
    """The same, with the score as it is written."""

    weighs: bool = False
    name: str = "reasoned-json"


def _labelled(prompt: JudgePrompt) -> JudgePrompt:
    """The prompt with the criteria whose scales have labels to weigh."""
    return prompt.only(tuple(criterion.name for criterion in prompt.criteria if criterion.scale.labels))


def _schema(prompt: JudgePrompt, *, bounded: bool) -> str:
    reason: dict[str, object] = {"type": "string", "maxLength": LONGEST} if bounded else {"type": "string"}
    return schema_text(
        {c.name: strict_object({REASON: reason, SCORE: value_schema(c.scale)}) for c in prompt.criteria}
    )
