"""The simulated diagnostic model: it counts, in the text that it is given, the sentences that serve a criterion."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from polyjudge.errors import CallFailed
from polyjudge.simulation.chance import Stream
from polyjudge.simulation.reading import Block, Described, Prompt, described, sentences
from polyjudge.simulation.rules import Rules
from polyjudge.simulation.world import World
from polyjudge.simulation.writing import MARK, asked_for

_NUMBERED = re.compile(r"^\s*\[?(\d+)[\].):]\s*(.+)$", re.M)
_KEY = re.compile(r'"(\d+)"\s*:')


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
        criteria = described(prompt.frame)
        asked = prompt.frame.rpartition("\0")[2].casefold()
        if criteria and prompt.blocks:
            if "closely" in asked and "after" in asked:
                return self._rating(self._adherence(criteria[0], prompt), stream)
            if "maps each number" in asked:
                return self._sentences(criteria, prompt.blocks[0].text, stream)
            if "which of the criteria" in asked:
                return self._attribution(criteria, prompt.blocks[0].text, stream)
            if "specific" in asked:
                return self._rating(self._specificity(criteria, prompt.blocks[0].text), stream)
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
        said = _said(text)
        return sum(self._serves(criteria[0], one) for one in said) / max(1, len(said))

    def _adherence(self, criterion: Described, prompt: Prompt) -> float:
        """The share of the changes asked for that were made, less those made unasked."""
        before, gradient, after = (_under(prompt.blocks, word) for word in ("before", "critic", "after"))
        names = [rule.term for rule in self._rules.of(criterion.name)]
        add, drop = ({term for term in found if term in names} for found in asked_for(gradient))
        old, new = ({rule.term for rule in self._rules.within(criterion.name, text)} for text in (before, after))
        wanted = (add - old) | (drop & old)
        made = (new - old) | (old - new)
        if not wanted:
            return 0.0 if made else 1.0
        return len(wanted & made) / len(wanted | made)

    def _attribution(self, criteria: Sequence[Described], text: str, stream: Stream) -> str:
        counts = [sum(self._serves(one, part) for part in _said(text)) for one in criteria]
        best = [one.name for one, count in zip(criteria, counts, strict=True) if count == max(counts)]
        if stream.happens(self._world.diagnostic.error):
            best = [one.name for one in criteria]
        return best[stream.below(len(best))]

    def _sentences(self, criteria: Sequence[Described], text: str, stream: Stream) -> str:
        found: dict[str, list[str]] = {}
        for number, said in _NUMBERED.findall(text):
            served = [one.name for one in criteria if self._serves(one, said)]
            if stream.happens(self._world.diagnostic.error):
                served = [criteria[stream.below(len(criteria))].name]
            found[number] = served
        return json.dumps(found, ensure_ascii=False)

    def _serves(self, criterion: Described, sentence: str) -> bool:
        """Whether a sentence holds a rule's term, the criterion's name, or a word of its definition."""
        folded = sentence.casefold()
        if self._rules.within(criterion.name, folded) or criterion.name.casefold() in folded:
            return True
        return any(re.search(rf"\b{re.escape(word)}\b", folded) for word in criterion.words)


def _said(text: str) -> list[str]:
    return sentences(text.replace(MARK, ""))


def _under(blocks: Sequence[Block], word: str) -> str:
    return next((one.text for one in blocks if word in one.label.casefold()), "")
