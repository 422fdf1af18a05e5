"""Preferences: two texts are compared in both orders, so that the place of a text decides nothing.

The labels of a preference mean in order: the first text is better, the second is, and, if there is a third, neither.
Where token probabilities are read, those of both orders are averaged. Otherwise orders that disagree are a tie; if no
label says so they are unscored, and so is what one order leaves unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN
from polyjudge.judge.scoring import expectation

FIRST, SECOND, TIE = 0.0, 1.0, 2.0
Pair = tuple[str, str]


def exchanged(example: Example, pair: Pair) -> Example:
    """The example with its two texts in each other's place."""
    first, second = pair
    texts = {**example.inputs, first: example.inputs[second], second: example.inputs[first]}
    return replace(example, inputs={column: texts[column] for column in example.inputs})


def turned(score: float) -> float:
    """What a score of the exchanged texts says of them in their own order."""
    return {FIRST: SECOND, SECOND: FIRST}.get(score, score)


def in_both_orders(prompt: JudgePrompt, given: Prediction, exchanged: Prediction) -> Prediction:
    """One prediction of those of both orders, which it keeps."""
    scores: dict[str, float] = {}
    distributions: dict[str, Mapping[str, float]] = {}
    orders: dict[str, tuple[float, float]] = {}
    for criterion in prompt.criteria:
        name = criterion.name
        orders[name] = given.score(name), turned(exchanged.score(name))
        both = _averaged(criterion, given.distributions.get(name), exchanged.distributions.get(name))
        if both:
            distributions[name] = both
            scores[name] = expectation(criterion.scale, both)
        else:
            scores[name] = _agreed(criterion, *orders[name])
    return replace(
        given,
        scores=scores,
        calls=(*given.calls, *exchanged.calls),
        distributions=distributions,
        lost=_means(given.lost, exchanged.lost),
        orders=orders,
    )


def _agreed(criterion: Criterion, given: float, exchanged: float) -> float:
    if math.isnan(given) or math.isnan(exchanged):
        return NAN
    if given == exchanged:
        return given
    return TIE if len(criterion.scale.labels) > TIE else NAN


def _averaged(
    criterion: Criterion, given: Mapping[str, float] | None, exchanged: Mapping[str, float] | None
) -> dict[str, float]:
    """The mean of both orders' probabilities; empty where one order has none."""
    if not given or not exchanged:
        return {}
    labels = criterion.scale.labels
    other = {label: exchanged[labels[int(turned(float(k)))]] for k, label in enumerate(labels)}
    return {label: (given[label] + other[label]) / 2 for label in labels}


def _means(given: Mapping[str, float], exchanged: Mapping[str, float]) -> dict[str, float]:
    return {name: (given[name] + exchanged[name]) / 2 for name in given if name in exchanged}
