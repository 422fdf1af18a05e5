"""What is hidden in texts: rules in instructions, qualities in items.

A rule is a sentence with a term of its own, and moves a judge's fidelity on its criterion. Terms are invented words,
so that no real text holds one by accident. Qualities, and what any judge mistakes about them, are drawn from the
item's text, so that the same text is the same item wherever it stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from polyjudge.testing.simulation.words import CLAUSES, invented
from polyjudge.testing.simulation.world import Stream, World, normal, seeded

_OPENINGS = (
    "Look for the {} of the text",
    "Weigh the {} of the text",
    "Take off a point where the {} is weak",
    "Reward a text whose {} is strong",
    "Compare the {} with what people expect",
)
# Standard deviations that a scale spans.
_SPAN = 5.0
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
        rules = self._rules.get(criterion)
        if rules is None:
            rules = tuple(self._rule(criterion, number) for number in range(self._world.rules.count))
            self._rules[criterion] = rules
            self._terms[criterion] = {rule.term: rule for rule in rules}
        return rules

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


@dataclass(slots=True)
class Item:
    """An item as a world sees it.

    Attributes:
        seed: stands for the item's texts in this world.
        impression: the error that is common to its criteria, standard normal.
        known: criterion -> its quality and its own error, standard normal; filled as criteria are heard of.
    """

    seed: bytes
    impression: float
    known: dict[str, tuple[float, float]] = field(default_factory=dict)


class Latents:
    """Qualities and errors in a world."""

    def __init__(self, world: World) -> None:
        self._seed = seeded(world.seed, "items")
        self._truth = world.truth

    def item(self, texts: Sequence[str]) -> Item:
        """The item that these texts make; where there are several, the first is the document."""
        seed = seeded(self._seed, *texts)
        return Item(seed, normal(seed + b"impression"))

    def of(self, item: Item, texts: Sequence[str], criterion: str) -> tuple[float, float]:
        """An item's quality on a criterion, and the error that every prompt makes on it."""
        latents = item.known.get(criterion)
        if latents is None:
            quality = self._quality(item.seed, criterion)
            if len(texts) > 1 and self._truth.document > 0:
                share = self._truth.document
                common = self._quality(seeded(self._seed, "document", texts[0]), criterion)
                quality = math.sqrt(1 - share) * quality + math.sqrt(share) * common
            latents = (quality, normal(seeded(item.seed, "error", criterion)))
            item.known[criterion] = latents
        return latents

    def _quality(self, seed: bytes, criterion: str) -> float:
        r = self._truth.correlation
        separate = normal(seeded(seed, "quality", criterion))
        return math.sqrt(r) * normal(seed + b"quality") + math.sqrt(1 - r) * separate


def edges(levels: int) -> tuple[float, ...]:
    """Where one level of a scale ends and the next begins, in standard deviations (levels - 1,)."""
    return tuple(_SPAN * (k / levels - 0.5) for k in range(1, levels))


def level(value: float, bounds: Sequence[float]) -> int:
    """The level that a value falls into, from 0."""
    return sum(value > bound for bound in bounds)
