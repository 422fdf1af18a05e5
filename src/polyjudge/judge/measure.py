"""From predictions to agreement: examples and scores become the matrices that the metrics take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyjudge.datasets.table import Key, exact
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Measured, Prediction
from polyjudge.domain.scale import Categorical, Ordinal, Scale

if TYPE_CHECKING:
    from polyjudge.metrics.levels import Levels, Matrix


@dataclass(frozen=True, slots=True)
class Ratings:
    """The human side of some examples, as matrices.

    Attributes:
        human: (n, K) raters' means (categorical: majority), nan = nobody rated.
        levels: one scale a criterion.
        documents: (n,) the units of the evidence: the named documents, else rows with equal inputs as one; None where
            every row is its own.
        unit: what these units are called: "documents", "different texts" or "rows".
    """

    human: Matrix
    levels: tuple[Levels, ...]
    documents: tuple[str, ...] | None
    unit: str


def ratings(criteria: Sequence[Criterion], examples: Sequence[Example]) -> Ratings:
    """The human ratings of examples on criteria."""
    import numpy as np

    human = np.array([[example.human(criterion) for criterion in criteria] for example in examples], dtype=float)
    documents, unit = _units(examples)
    return Ratings(
        human.reshape(len(examples), len(criteria)),
        tuple(levels(criterion.scale) for criterion in criteria),
        documents,
        unit,
    )


def _units(examples: Sequence[Example]) -> tuple[tuple[str, ...] | None, str]:
    """What may count as one piece of evidence each: a judge answers equal texts alike, however often they stand."""
    documents = tuple(example.document for example in examples if example.document is not None)
    if examples and len(documents) == len(examples):
        return documents, "documents"
    texts: dict[Key, int] = {}
    places = [texts.setdefault(exact(example.inputs), len(texts)) for example in examples]
    if len(texts) == len(examples):
        return None, "rows"
    return tuple(map(str, places)), "different texts"


def scores(criteria: Sequence[Criterion], predictions: Sequence[Prediction]) -> Matrix:
    """The judge's scores (n, K), nan = unscored."""
    import numpy as np

    matrix = np.array([[p.score(criterion.name) for criterion in criteria] for p in predictions], dtype=float)
    return matrix.reshape(len(predictions), len(criteria))


def rater_matrix(criterion: Criterion, examples: Sequence[Example]) -> Matrix:
    """The raters' single ratings on one criterion (n, R), nan = that rater gave none."""
    import numpy as np

    raters = [example.ratings.get(criterion.name, ()) for example in examples]
    width = max(map(len, raters), default=0)
    rows = [(*row, *[math.nan] * (width - len(row))) for row in raters]
    return np.array(rows, dtype=float).reshape(len(examples), width)


def levels(scale: Scale) -> Levels:
    """A scale as the metrics know it."""
    from polyjudge.metrics.levels import Levels

    if isinstance(scale, Categorical):
        return Levels.categorical(len(scale.names))
    return Levels(scale.low, scale.high, scale.step if isinstance(scale, Ordinal) else None)


def primary_metric(criteria: Sequence[Criterion]) -> str:
    """Spearman on numbers, Cohen's kappa on labels, and "primary", each criterion's own, where both stand together."""
    own = set(map(own_metric, criteria))
    return own.pop() if len(own) == 1 else "primary"


def own_metric(criterion: Criterion) -> str:
    """Cohen's kappa for labels, Spearman for numbers."""
    return "kappa" if isinstance(criterion.scale, Categorical) else "spearman"


def measure(
    metric: str, criteria: Sequence[Criterion], predictions: Sequence[Prediction], examples: Sequence[Example]
) -> Measured:
    """Pooled agreement of predictions with the ratings of the same examples, in the same order."""
    return measure_by([metric], criteria, predictions, examples)[0]


def measure_by(
    names: Sequence[str], criteria: Sequence[Criterion], predictions: Sequence[Prediction], examples: Sequence[Example]
) -> tuple[Measured, ...]:
    """The same by several metrics."""
    people, judged = ratings(criteria, examples), scores(criteria, predictions)
    return tuple(_measured({c.name: name for c in criteria}, criteria, people, judged) for name in names)


def measure_each(
    metrics: Mapping[str, str],
    criteria: Sequence[Criterion],
    predictions: Sequence[Prediction],
    examples: Sequence[Example],
) -> Measured:
    """The same by a metric of each criterion's own, by its name."""
    return _measured(metrics, criteria, ratings(criteria, examples), scores(criteria, predictions))


def _measured(metrics: Mapping[str, str], criteria: Sequence[Criterion], people: Ratings, judged: Matrix) -> Measured:
    from polyjudge.metrics import agreement, grouping

    found = [
        grouping.grouped(agreement.metric(metrics[c.name]), judged[:, k], people.human[:, k], levels=people.levels[k])
        for k, c in enumerate(criteria)
    ]
    return Measured(
        " and ".join(dict.fromkeys(metrics[criterion.name] for criterion in criteria)),
        {c.name: one.value for c, one in zip(criteria, found, strict=True)},
        grouping.mean([one.value for one in found]),
        {c.name: 0.0 if math.isnan(one.coverage) else one.coverage for c, one in zip(criteria, found, strict=True)},
    )
