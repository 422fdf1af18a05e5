"""What can be said of instructions and gradients without a model: lengths, whom they name, how they drift.

Likeness is of letters (TF-IDF over runs of three to five of them), not of meaning: a true paraphrase may score below
an unrelated sentence. It finds copies and drift, and proves nothing about content.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from polyjudge.diagnosis.prompts import joined, naming
from polyjudge.diagnosis.records import MEAN, Figure, InstructionFacts, Similarity, Texts
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.records import Gradient, Step
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.metrics.estimates import Estimate

GRAMS = (3, 4, 5)

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9\[])|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+|^#+\s*")


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, and its lines; headings and bullets count as such, what holds no word does not."""
    parts = (_BULLET.sub("", part).strip() for part in _END.split(text.strip()))
    return tuple(part for part in parts if any(character.isalnum() for character in part))


def instruction_facts(steps: Sequence[Step], names: Sequence[str]) -> tuple[InstructionFacts, ...]:
    """Every criterion's instruction after every step, in the order of the steps.

    Args:
        steps: of a run; those of each criterion in turn under ST.
        names: all criteria of the run.
    """
    initial = {name: text for step in steps if not step.index for name, text in step.instructions.items()}
    return tuple(
        _facts(step.index, name, text, initial[name], names)
        for step in steps
        for name, text in step.instructions.items()
    )


def _facts(step: int, name: str, text: str, initial: str, names: Sequence[str]) -> InstructionFacts:
    return InstructionFacts(
        step=step,
        criterion=name,
        characters=len(text),
        words=len(text.split()),
        tokens=math.ceil(len(text) / CHARACTERS_A_TOKEN),
        sentences=len(sentences(text)),
        naming_others=naming_others(text, name, names),
        drift=0.0 if text == initial else 1 - likeness([text, initial])[0, 1],
    )


def all_texts(steps: Sequence[Step], names: Sequence[str]) -> Texts:
    """Everything about the texts of a run; ``names`` are all of its criteria."""
    shares = {
        name: [
            naming_others(gradient.text, name, names)
            for step in steps
            for gradient in speaking(step.gradients, name)
            if len(gradient.group) == 1
        ]
        for name in names
    }
    shares[MEAN] = [share for of_criterion in list(shares.values()) for share in of_criterion]
    figures = tuple(
        Figure(
            "naming others",
            "separate gradients",
            name,
            Estimate.undecided(math.fsum(of_criterion) / len(of_criterion), 0.95, len(of_criterion)),
        )
        for name, of_criterion in shares.items()
        if of_criterion
    )
    return Texts(instruction_facts(steps, names), tuple(similarities(steps, names)), figures)


def naming_others(text: str, name: str, names: Sequence[str]) -> float:
    """Share of a text's sentences that name another criterion, 0..1; 0 of no sentence."""
    pattern = naming([other for other in names if other != name])
    parts = sentences(text)
    return sum(pattern.search(part) is not None for part in parts) / len(parts) if parts else 0.0


def speaking(gradients: Sequence[Gradient], name: str) -> tuple[Gradient, ...]:
    """The gradients that speak for a criterion."""
    return tuple(gradient for gradient in gradients if name in gradient.group)


def similarities(steps: Sequence[Step], names: Sequence[str]) -> Iterator[Similarity]:
    """How alike the gradients of two criteria are, step by step, where different texts speak for them."""
    for index in sorted({step.index for step in steps}):
        texts = {
            name: joined(written)
            for name in names
            if (written := [g for step in steps if step.index == index for g in speaking(step.gradients, name)])
            and all(len(gradient.group) == 1 for gradient in written)
        }
        alike = likeness(list(texts.values()))
        for (a, first), (b, second) in combinations(enumerate(texts), 2):
            yield Similarity(index, first, second, alike[a, b])


def likeness(texts: Sequence[str]) -> Mapping[tuple[int, int], float]:
    """Cosines of TF-IDF over runs of letters, 0..1, for every two positions; 0 with a text that has none."""
    counts = [_grams(text) for text in texts]
    spread = Counter(gram for count in counts for gram in count)
    weights = [
        {gram: (1 + math.log(n)) * (math.log((1 + len(texts)) / (1 + spread[gram])) + 1) for gram, n in count.items()}
        for count in counts
    ]
    norms = [math.sqrt(math.fsum(value * value for value in weight.values())) for weight in weights]
    return {
        (a, b): min(1.0, _dot(weights[a], weights[b]) / (norms[a] * norms[b])) if norms[a] and norms[b] else 0.0
        for a, b in combinations(range(len(texts)), 2)
    }


def _dot(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    return math.fsum(value * second[gram] for gram, value in first.items() if gram in second)


def _grams(text: str) -> Counter[str]:
    """Runs of letters within words, each word with a blank at both ends, as scikit-learn's ``char_wb`` counts them."""
    words = [f" {word} " for word in re.findall(r"\w+", text.casefold())]
    return Counter(
        word[start : start + size] for word in words for size in GRAMS for start in range(max(1, len(word) - size + 1))
    )


class Vocabulary:
    """The words by which criteria are told apart: those of a criterion's name, definition and initial instruction
    that no other criterion of the run has. The model-free estimate of whom a sentence serves.

    Args:
        criteria: all of the run, with their initial instructions.
    """

    def __init__(self, criteria: Sequence[Criterion]) -> None:
        stems_of = {c.name: _stems(f"{c.name.replace('_', ' ')} {c.definition} {c.instruction}") for c in criteria}
        shared = Counter(stem for stems in stems_of.values() for stem in stems)
        self._names = tuple(stems_of)
        self._own = {name: {stem for stem in stems if shared[stem] == 1} for name, stems in stems_of.items()}

    def serves(self, sentence: str) -> tuple[str, ...]:
        """The criteria whose own words a sentence has most of; () where it has none, several when they tie."""
        stems = _stems(sentence)
        counts = {name: len(stems & self._own[name]) for name in self._names}
        most = max(counts.values())
        return tuple(name for name, count in counts.items() if most and count == most)

    def share(self, text: str, name: str) -> float:
        """The share of a text's sentences that serve a criterion, one that serves n counting 1/n; 0 of no sentence."""
        parts = [self.serves(part) for part in sentences(text)]
        return math.fsum(1 / len(names) for names in parts if name in names) / len(parts) if parts else 0.0


# So many letters tell a word in all its forms from others well enough: "coherence", "coherent".
_STEM = 6
_SHORTEST = 3
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """and are but for from has have how into its not one out rate rated rating score that the their them then
        there these they this those what when where which with within would you your instruction criterion judge
        text""",
    )
)


def _stems(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return {word[:_STEM] for word in words if len(word) >= _SHORTEST and word not in _COMMON}
