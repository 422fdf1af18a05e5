"""Consistency: severity k falsifies exactly k facts, in k sentences where there are as many."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from briefs.chance import pick, shuffled
from briefs.source import Fact, Sentence


class Infeasible(ValueError):
    """A sentence or a summary offers no place for the damage that was asked for."""


@dataclass(frozen=True, slots=True)
class Change:
    """One falsified fact."""

    true: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence as the summary states it: `values[i]` stands for its i-th fact."""

    sentence: Sentence
    values: tuple[str, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        pairs = zip(self.sentence.facts, self.values, strict=True)
        return tuple(Change(fact.true, value) for fact, value in pairs if value != fact.true)


def falsify(sentences: tuple[Sentence, ...], severity: int, rng: Random) -> tuple[Claim, ...]:
    """State `sentences` with exactly `severity` false facts.

    A sentence takes a second false fact only when every other one has its own, and never beside a denial, since
    two wrongs of which one is a "not" may make a right.

    Raises:
        Infeasible: fewer than `severity` facts can be falsified.
    """
    false: list[list[int]] = [[] for _ in sentences]
    for index in shuffled(rng, [i for i, sentence in enumerate(sentences) if sentence.facts])[:severity]:
        false[index].append(pick(rng, range(len(sentences[index].facts))))
    while sum(map(len, false)) < severity:
        _falsify_again(sentences, false, rng)
    return tuple(_state(sentence, chosen, rng) for sentence, chosen in zip(sentences, false, strict=True))


def _falsify_again(sentences: tuple[Sentence, ...], false: list[list[int]], rng: Random) -> None:
    options = [
        (index, pair)
        for index, sentence in enumerate(sentences)
        if len(false[index]) == 1
        for pair in _pairs(sentence.facts)
    ]
    if not options:
        raise Infeasible(f"no further fact of {[sentence.parts for sentence in sentences]!r} can be falsified")
    index, pair = pick(rng, options)
    false[index] = list(pair)


def _pairs(facts: tuple[Fact, ...]) -> list[tuple[int, int]]:
    plain = [i for i, fact in enumerate(facts) if not fact.denies]
    return [(first, second) for first in plain for second in plain if first < second]


def _state(sentence: Sentence, false: list[int], rng: Random) -> Claim:
    values = [pick(rng, fact.wrong) if i in false else fact.true for i, fact in enumerate(sentence.facts)]
    return Claim(sentence, tuple(values))
