"""The simulated diagnostic model: it counts, in the text that it is given, the sentences that serve a criterion."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from polyjudge.errors import CallFailed
from polyjudge.testing.simulation.reading import Described, Prompt, described, sentences
from polyjudge.testing.simulation.rules import Rules
from polyjudge.testing.simulation.world import Stream, World
from polyjudge.testing.simulation.writing import MARK, asked_for

_NUMBERED = re.compile(r"^\s*\[?(\d+)[\].):]\s*(.+)$", re.M)


class Reader:
    """The role diagnostic."""

    def __init__(self, world: World, rules: Rules) -> None:
        self._world = world
        self._rules = rules

    def answer(self, prompt: Prompt, stream: Stream) -> str:
        """A rating from 1 to 10, a criterion's name, or the criteria of every sentence, as the prompt asks.

        Raises:
            CallFailed: it asks for something else.
        """
        criteria = described(prompt)
        feedback = "\n".join(prompt.section("feedback", "sentences").blocks)
        if criteria and "after" in prompt.sections:
            return self._rating(self._adherence(criteria[0], prompt), stream)
        if criteria and "sentences" in prompt.sections:
            return self._sentences(criteria, feedback, stream)
        if criteria and "other_criteria" in prompt.sections:
            return self._rating(self._specificity(criteria, feedback), stream)
        if criteria and feedback:
            return self._attribution(criteria, feedback, stream)
        raise CallFailed(
            "a simulated diagnostic model rates specificity and adherence, attributes a criticism or its sentences; "
            f"it does not understand {prompt.frame[-120:]!r}",
            retryable=False,
            scope="request",
        )

    def _rating(self, share: float, stream: Stream) -> str:
        """A share from 0 to 1 as a whole number from 1 to 10."""
        return str(min(10, max(1, round(1 + 9 * share + self._world.diagnostic.noise * stream.normal()))))

    def _specificity(self, criteria: Sequence[Described], text: str) -> float:
        """The share of sentences that serve the first criterion."""
        feedback = _sentences_of(text)
        return sum(bool(self._strength(criteria, 0, sentence)) for sentence in feedback) / max(1, len(feedback))

    def _adherence(self, criterion: Described, prompt: Prompt) -> float:
        """The share of the changes asked for that were made, less those made unasked."""
        before, gradient, after = ("\n".join(prompt.section(tag).blocks) for tag in ("before", "feedback", "after"))
        names = [rule.term for rule in self._rules.of(criterion.name)]
        add, drop = ({term for term in terms if term in names} for terms in asked_for(gradient))
        old, new = ({rule.term for rule in self._rules.within(criterion.name, text)} for text in (before, after))
        wanted = (add - old) | (drop & old)
        made = (new - old) | (old - new)
        if not wanted:
            return 0.0 if made else 1.0
        return len(wanted & made) / len(wanted | made)

    def _attribution(self, criteria: Sequence[Described], text: str, stream: Stream) -> str:
        feedback = _sentences_of(text)
        sums = [sum(self._strength(criteria, k, sentence) for sentence in feedback) for k in range(len(criteria))]
        best = [criterion.name for criterion, strength in zip(criteria, sums, strict=True) if strength == max(sums)]
        if stream.happens(self._world.diagnostic.error):
            best = [criterion.name for criterion in criteria]
        return best[stream.below(len(best))]

    def _sentences(self, criteria: Sequence[Described], text: str, stream: Stream) -> str:
        attributions: dict[str, list[str]] = {}
        for number, sentence in _NUMBERED.findall(text):
            served = [criterion.name for k, criterion in enumerate(criteria) if self._strength(criteria, k, sentence)]
            if stream.happens(self._world.diagnostic.error):
                served = [criteria[stream.below(len(criteria))].name]
            attributions[number] = served
        return json.dumps(attributions, ensure_ascii=False)

    def _strength(self, criteria: Sequence[Described], index: int, sentence: str) -> int:
        """How plainly a sentence serves one of the criteria: a rule's term or its name says it, a word of its
        definition hints at it if the definition of no other shares it."""
        criterion, folded = criteria[index], sentence.casefold()
        if self._rules.within(criterion.name, folded) or _holds(folded, criterion.name.casefold()):
            return 3
        others = {word for other in criteria if other is not criterion for word in other.words}
        return int(any(_holds(folded, word) for word in criterion.words if word not in others))


def _sentences_of(text: str) -> list[str]:
    return sentences(text.replace(MARK, ""))


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
