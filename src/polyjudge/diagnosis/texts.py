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
from polyjudge.domain.records import Gradient, Step
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.metrics.estimates import Estimate
from polyjudge.optimizers.vocabulary import sentences

GRAMS = (3, 4, 5)


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
