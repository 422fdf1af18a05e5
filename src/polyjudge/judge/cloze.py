"""Scoring ``cloze``: the reply is begun, and a criterion's score is how probable its words are as the next token.

The score of a criterion is the log of the summed next-token probability of its word set, minus that of all sets
together: natural logs, at most 0, higher is more. It is not a value of the rating scale, so that only rank
statistics are defined on it. It serves models too small to answer a question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ReplyError
from polyjudge.judge.own_prompt import OWN_QUESTION
from polyjudge.judge.render import item
from polyjudge.judge.scoring import Question, Scored
from polyjudge.llm.request import Abilities, Message, Reply, Sampling
from polyjudge.templates.load import render

LOGPROBS = 500
# A shorter piece of a word ("el" of "elated") begins too many other words to count for it.
SHORTEST_PIECE = 4


@dataclass(frozen=True, slots=True)
class ClozeScoring:
    """Attributes:
    words: criterion -> its word set, of all criteria of the judge, also of those that share no call.
    labelled: those of them that have labels.
    """

    words: Mapping[str, tuple[str, ...]]
    labelled: tuple[str, ...] = ()
    name: str = "cloze"
    on_scale: bool = False
    reminder: str = ""
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        labelled = tuple(one.name for one in prompt.criteria if isinstance(one.scale, Categorical))
        return cls({criterion.name: criterion.words for criterion in prompt.criteria}, labelled)

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return ()

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        if prompt.template is not None:
            return OWN_QUESTION
        # A score is a share among all criteria: what any of them lacks is told at once, in whatever call it is asked.
        wordless = [name for name, words in self.words.items() if not words]
        if wordless:
            return f"the criteria file has no 'words' for {', '.join(map(repr, wordless))}"
        if not prompt.reply_begins:
            return "the criteria file has no 'reply_begins'"
        if self.labelled:
            named = ", ".join(map(repr, self.labelled))
            return f"labels are the scale of {named}, and the cloze scoring method gives a strength"
        if not abilities.begins or abilities.logprobs < LOGPROBS:
            return f"the model's endpoint does not continue begun replies with {LOGPROBS} token probabilities"
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        # The item comes first in every layout; only in some do the calls on it follow each other.
        before = render("cloze", task=prompt.task, item=item(prompt, example), criteria="")
        text = before + "\n".join(criterion.instruction for criterion in prompt.criteria)
        messages = (Message("user", text), Message("assistant", prompt.reply_begins))
        one_token = Sampling(sampling.temperature, 1, sampling.extra)
        return Question(messages, one_token, top_logprobs=LOGPROBS, shared=before if item_first else "")

    def spoken(self, criterion: Criterion, score: float) -> str:
        return f"a strength of {math.exp(score):.0%} among all the criteria"

    def read(self, reply: Reply, prompt: JudgePrompt) -> Scored:
        if not reply.tokens or not reply.tokens[0].top:
            raise ReplyError("the reply carries no token probabilities")
        masses = {name: _mass(reply.tokens[0].top, words) for name, words in self.words.items()}
        total = math.fsum(masses.values())
        scores = {
            criterion.name: math.log(masses[criterion.name]) - math.log(total)
            for criterion in prompt.criteria
            if masses[criterion.name] > 0
        }
        if not scores:
            raise ReplyError("no word of the criteria is among the most probable next tokens")
        return Scored(scores)


def _mass(top: tuple[tuple[str, float], ...], words: tuple[str, ...]) -> float:
    """The summed probability of the tokens that are one of the words, or begin one."""
    return math.fsum(math.exp(logprob) for token, logprob in top if _begins(token, words))


def _begins(token: str, words: tuple[str, ...]) -> bool:
    piece = token.strip().casefold()
    return any(
        piece == word.casefold() or (len(piece) >= SHORTEST_PIECE and word.casefold().startswith(piece))
        for word in words
    )
