"""Parts that the tests of the gates share: prompts that gave known scores to rows with known ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Continuous
from polyjudge.gates import Evidence, MeanGate, PerCriterionGate, Scored
from polyjudge.judge.measure import rated_rows
from polyjudge.metrics import spearman

NAMES = ("a", "b", "c")
# Criterion -> one score a row.
Scores = Mapping[str, Sequence[float]]


def gate_of(names: Sequence[str] = NAMES, seed: int = 0) -> PerCriterionGate:
    return PerCriterionGate(dict.fromkeys(names, "spearman"), seed)


def prompt_of(names: Sequence[str] = NAMES) -> JudgePrompt:
    criteria = tuple(Criterion(name, Continuous(-9, 9), instruction=f"Rate {name}.") for name in names)
    return JudgePrompt("Judge.", (("text", "Text"),), criteria)


def examples_of(human: Scores, each: int = 2) -> tuple[Example, ...]:
    """Rows with these ratings, ``each`` of them of one document."""
    count = len(next(iter(human.values())))
    return tuple(
        Example(f"e{row}", {"text": f"Text {row}."}, f"d{row // each}", {n: (human[n][row],) for n in human})
        for row in range(count)
    )


def scored(
    gate: PerCriterionGate | MeanGate, examples: tuple[Example, ...], scores: Scores, texts: Mapping[str, str] = {}
) -> Scored:
    """A prompt that gave these scores."""
    prompt = prompt_of(tuple(scores)).revise(texts)
    predictions = tuple(Prediction(e.id, {n: scores[n][row] for n in scores}, ()) for row, e in enumerate(examples))
    return Scored(prompt, predictions, gate.measure(prompt, predictions, rated_rows(prompt.criteria, examples)))


def evidence_of(
    gate: PerCriterionGate, human: Scores, current: Scores, *new: tuple[Scores, Mapping[str, str]], turn: int = 1
) -> Evidence:
    examples = examples_of(human)
    candidates = tuple(scored(gate, examples, scores, texts) for scores, texts in new)
    rated = rated_rows(prompt_of(tuple(human)).criteria, examples)
    return Evidence(turn, rated, scored(gate, examples, current), candidates)


def all_new(names: Sequence[str] = NAMES, text: str = "Look closely, then rate.") -> dict[str, str]:
    return dict.fromkeys(names, text)


def noisy(chance: Random, human: Sequence[float], rho: float) -> list[float]:
    """Scores whose expected correlation with normal ratings is ``rho``."""
    return [rho * value + math.sqrt(1 - rho * rho) * chance.gauss(0, 1) for value in human]


def exactly(chance: Random, human: Sequence[float], rho: float) -> list[float]:
    """Scores whose Spearman correlation is within .02 of ``rho``."""
    while True:
        scores = noisy(chance, human, rho)
        if abs(spearman(scores, human) - rho) < 0.02:
            return scores


def ranked(swaps: int) -> list[float]:
    """Scores of ten rows that agree with 0..9, the less the more neighbours are swapped."""
    scores = [float(value) for value in range(10)]
    for at in range(swaps):
        scores[2 * at], scores[2 * at + 1] = scores[2 * at + 1], scores[2 * at]
    return scores
