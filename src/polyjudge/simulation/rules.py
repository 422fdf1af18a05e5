"""Rules hidden in instructions: each is a sentence with a term of its own, and moves a judge's fidelity on its
criterion. Terms are invented words, so that no real text holds one by accident."""

from __future__ import annotations

import re
from dataclasses import dataclass

from polyjudge.simulation.chance import Stream
from polyjudge.simulation.words import CLAUSES, invented
from polyjudge.simulation.world import World

_OPENINGS = (
    "Look for the {} of the text",
    "Weigh the {} of the text",
    "Take off a point where the {} is weak",
    "Reward a text whose {} is strong",
    "Compare the {} with what people expect",
)
_WORD = re.compile(r"[a-z]{6,}")


@dataclass(frozen=True, slots=True)
class Rule:
    """Attributes:
    criterion: whose.
    term: the word that it is known by.
    text: the sentence that an instruction holds.
    weight: what it adds to the fidelity; below 0 it takes.
    """

    criterion: str
    term: str
    text: str
    weight: float

    @property
    def good(self) -> bool:
        return self.weight >= 0


class Rules:
    """The rules of a world, by criterion; made when a criterion is first heard of."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._terms: dict[str, dict[str, Rule]] = {}

    def of(self, criterion: str) -> tuple[Rule, ...]:
        """All rules of a criterion."""
        found = self._rules.get(criterion)
        if found is None:
            found = tuple(self._rule(criterion, number) for number in range(self._world.rules.count))
            self._rules[criterion] = found
            self._terms[criterion] = {rule.term: rule for rule in found}
        return found

    def within(self, criterion: str, text: str) -> list[Rule]:
        """The rules of a criterion whose term stands in a text, each once, in the text's order."""
        self.of(criterion)
        terms = self._terms[criterion]
        return [terms[word] for word in dict.fromkeys(_WORD.findall(text.casefold())) if word in terms]

    def _rule(self, criterion: str, number: int) -> Rule:
        book = self._world.rules
        stream = Stream(self._world.seed, "rule", criterion, number)
        good = stream.happens(book.good)
        weight = stream.uniform() * book.gain if good else -stream.uniform() * book.harm
        # The number is spelled into the term, so that no two rules of a criterion share it.
        term = invented(stream, 3) + "aeiou"[number % 5] + "bdgklmnprt"[number // 5 % 10] + "th" * (number // 50)
        low, high = book.words
        length = low + stream.below(high - low + 1)
        parts = [_OPENINGS[stream.below(len(_OPENINGS))].format(term)]
        first = stream.below(len(CLAUSES))
        while len(" ".join(parts).split()) < length:
            parts.append(CLAUSES[(first + len(parts)) % len(CLAUSES)])
        words = ", ".join(parts).split()[:length]
        return Rule(criterion, term, " ".join(words).rstrip(",") + ".", weight)
