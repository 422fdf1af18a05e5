"""Pairs of judges drawn at random around real ratings, by a Gaussian copula.

On an ordered scale a judge's latent answer is the rating's normal score plus noise, cut so that labels come as often
as among the ratings. On a categorical one a judge repeats the rating with some probability and else answers by
these frequencies. Noise is shared within documents, between criteria and between the two judges. For the power
calculation only: nothing here says anything about a real judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.agreement import KAPPA, PEARSON, SPEARMAN, Metric
from polyjudge.metrics.grouping import Clusters
from polyjudge.metrics.labels import kappa
from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs
from polyjudge.metrics.ranks import spearman

Draws = npt.NDArray[np.float64]
"""Standard normal noise of two judges: (2, draws, n, K)."""

Answers = npt.NDArray[np.intp]
"""Answers by their position among the possible ones: (draws, m) of one judge, (2, draws, m) of two."""

# Judges answer in few different values, also on a continuous scale.
MOST_ANSWERS = 21
STRONGEST = 0.98


@dataclass(frozen=True, slots=True)
class Strength:
    """How closely a judge follows the ratings, and two judges each other; from 0 to 1."""

    agreement: float
    output_correlation: float

    def towards(self, wanted: Strength, reached: Strength) -> Strength:
        """These latent strengths, moved by how far the reached ones are from the wanted ones (in Fisher's z)."""
        return Strength(
            _moved(self.agreement, wanted.agreement, reached.agreement),
            _moved(self.output_correlation, wanted.output_correlation, reached.output_correlation),
        )


@dataclass(frozen=True, slots=True)
class Rated:
    """The ratings of one criterion: those present, and what judges need to be drawn around them.

    `rows` (m,) are the rated rows; `human` (m,) their ratings, `order` (m,) these among the distinct ones, `scores`
    (m,) their normal scores with unit variance. `answers` (a,) are the values a judge may give, `cuts` (a - 1,) the
    latent bounds between them, and `own` (m,) the answer that repeats the rating.
    """

    levels: Levels | None
    rows: Indices
    human: Vector
    order: Indices
    scores: Vector
    answers: Vector
    cuts: Vector
    own: Indices

    @classmethod
    def of(cls, ratings: Vector, levels: Levels | None) -> Rated:
        """Read one column of ratings (n,), NaN = missing."""
        rows = np.flatnonzero(~np.isnan(ratings))
        human = ratings[rows]
        _, order, counts = np.unique(human, return_inverse=True, return_counts=True)
        middles = (np.cumsum(counts) - counts / 2) / max(1, human.size)
        scores = np.array([NormalDist().inv_cdf(middle) for middle in middles])[order.reshape(-1)]
        deviation = scores.std() if counts.size > 1 else 1.0
        answers = _answers(human, levels)
        shares = np.cumsum(np.bincount(answers.own, minlength=answers.values.size)) / max(1, human.size)
        cuts = np.array([NormalDist().inv_cdf(share) for share in shares[:-1]])
        standard = (scores - scores.mean()) / deviation if human.size else scores
        return cls(levels, rows, human, order.reshape(-1), standard, answers.values, cuts, answers.own)

    @property
    def nominal(self) -> bool:
        """Whether the labels have no order."""
        return self.levels is not None and self.levels.nominal

    @property
    def usable(self) -> bool:
        """Whether there are ratings enough, and different ones, to agree with."""
        return self.human.size > 2 and self.answers.size > 1

    def judge(self, strength: Strength, noise: Draws, choices: Draws) -> Answers:
        """The answers of two judges, (2, draws, m), from two independent noises (2, draws, n)."""
        follow, alike = strength.agreement, strength.output_correlation
        if self.nominal:
            guesses = np.searchsorted(self.cuts, _correlated(noise[:, :, self.rows], alike))
            bound = NormalDist().inv_cdf(follow) if follow > 0 else -np.inf
            return np.where(_correlated(choices[:, :, self.rows], alike) < bound, self.own, guesses)
        shared = max(0.0, (alike - follow**2) / (1 - follow**2))
        errors = _correlated(noise[:, :, self.rows], shared)
        latent = follow * self.scores + math.sqrt(1 - follow**2) * errors
        return np.searchsorted(self.cuts, latent).astype(np.intp)

    def agreement(self, metric: Metric, judged: Answers) -> Vector:
        """The metric of each draw (draws, m) with the ratings: (draws,)."""
        if not metric.applies_to(self.levels):
            return np.full(len(judged), np.nan)
        distinct = np.unique(self.human)
        if metric.weighted is None or distinct.size * self.answers.size > self.human.size:
            return np.array([metric(self.answers[row], self.human, self.levels) for row in judged])
        counts = _tables(judged, self.order, self.answers.size, distinct.size)
        return metric.weighted(_grid(self.answers, distinct), counts, self.levels)

    def reached(self, judged: Answers) -> Strength:
        """What two judges (2, draws, m) come to on average: rank correlations, or kappas of labels."""
        metric = KAPPA if self.nominal else SPEARMAN
        with_people = np.concatenate([self.agreement(metric, each) for each in judged])
        size = self.answers.size
        counts = _tables(judged[0], judged[1], size, size)
        statistic = kappa if self.nominal else spearman
        together = statistic(_grid(self.answers, self.answers), counts, self.levels)
        return Strength(_mean(with_people), _mean(together))


@dataclass(frozen=True, slots=True)
class Noise:
    """How the errors of a judge hang together.

    `within` (K,) is their correlation inside a document, `between` that of two criteria of one row.
    """

    clusters: Clusters
    within: tuple[float, ...]
    between: float

    @classmethod
    def like(cls, criteria: Sequence[Rated], clusters: Clusters) -> Noise:
        """Errors that hang together as the ratings do, in documents and between criteria."""
        return cls(clusters, tuple(_within(each, clusters) for each in criteria), _between(criteria))

    def draw(self, n_draws: int, generator: np.random.Generator) -> Draws:
        """Two independent judges' noise, (2, n_draws, n, K)."""
        rows = self._draw(n_draws, self.clusters.position.size, generator)
        documents = self._draw(n_draws, self.clusters.count, generator)
        within = np.array(self.within)
        noise: Draws = np.sqrt(1 - within) * rows + np.sqrt(within) * documents[:, :, self.clusters.position]
        return noise

    def _draw(self, n_draws: int, size: int, generator: np.random.Generator) -> Draws:
        own = generator.standard_normal((2, n_draws, size, len(self.within)))
        shared = generator.standard_normal((2, n_draws, size, 1))
        return math.sqrt(1 - self.between) * own + math.sqrt(self.between) * shared


@dataclass(frozen=True, slots=True)
class _Possible:
    values: Vector
    own: Indices


def _answers(human: Vector, levels: Levels | None) -> _Possible:
    """The values a judge may give, and which of them repeats each rating."""
    if levels is not None and levels.step is not None:
        labels, own = np.unique(levels.nearest(human), return_inverse=True)
        return _Possible(levels.values()[labels], own.reshape(-1))
    values, own = np.unique(human, return_inverse=True)
    if values.size <= MOST_ANSWERS:
        return _Possible(values, own.reshape(-1))
    bounds = np.unique(np.quantile(human, np.arange(1, MOST_ANSWERS) / MOST_ANSWERS))
    bins, own = np.unique(np.searchsorted(bounds, human), return_inverse=True)
    own = own.reshape(-1)
    return _Possible(np.array([float(np.median(human[own == each])) for each in range(bins.size)]), own)


def _tables(left: Answers, right: Answers, rows: int, columns: int) -> Matrix:
    """Count the pairs of each draw, (draws, m) and (draws, m) or (m,): (draws, rows * columns)."""
    size = rows * columns
    cells = left * columns + right + size * np.arange(len(left))[:, None]
    return np.bincount(cells.reshape(-1), minlength=size * len(left)).reshape(-1, size).astype(np.float64)


def _grid(rows: Vector, columns: Vector) -> Pairs:
    """All pairs of two increasing lists of values, in the order of `_tables`."""
    row, column = np.divmod(np.arange(rows.size * columns.size), columns.size)
    return Pairs(rows[row], columns[column], row, column)


def _correlated(noise: Draws, correlation: float) -> Draws:
    """Two independent noises (2, ...) made to correlate."""
    return np.stack([noise[0], correlation * noise[0] + math.sqrt(1 - correlation**2) * noise[1]])


def _moved(latent: float, wanted: float, reached: float) -> float:
    if math.isnan(reached):
        return latent
    moved = math.tanh(math.atanh(latent) + math.atanh(wanted) - math.atanh(min(STRONGEST, reached)))
    return min(STRONGEST, max(0.0, moved))


def _mean(values: Vector) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _within(criterion: Rated, clusters: Clusters) -> float:
    """Intraclass correlation of the ratings in documents, by one-way analysis of variance; 0 to .95."""
    position = clusters.position[criterion.rows]
    values = criterion.scores[:, None]
    if criterion.nominal:
        values = (criterion.own[:, None] == np.arange(criterion.answers.size)).astype(np.float64)
    sizes = np.bincount(position, minlength=clusters.count).astype(np.float64)
    n_documents, n_rows = int((sizes > 0).sum()), position.size
    if not criterion.usable or n_documents < 2 or n_rows <= n_documents:
        return 0.0
    sums = np.column_stack([np.bincount(position, one, minlength=clusters.count) for one in values.T])
    means = sums / np.maximum(sizes, 1)[:, None]
    inside = float(np.square(values - means[position]).sum()) / (n_rows - n_documents)
    across = float((sizes[:, None] * np.square(means - values.mean(axis=0))).sum()) / (n_documents - 1)
    typical = (n_rows - float(np.square(sizes).sum()) / n_rows) / (n_documents - 1)
    total = across + (typical - 1) * inside
    return min(0.95, max(0.0, (across - inside) / total)) if total > 0 else 0.0


def _between(criteria: Sequence[Rated]) -> float:
    """The mean correlation of the ratings of two ordered criteria; 0 to .95, 0 if there are no two."""
    ordered = [each for each in criteria if each.usable and not each.nominal]
    found = []
    for one, other in combinations(ordered, 2):
        _, left, right = np.intersect1d(one.rows, other.rows, assume_unique=True, return_indices=True)
        correlation = PEARSON(one.scores[left], other.scores[right])
        if not np.isnan(correlation):
            found.append(correlation)
    return min(0.95, max(0.0, float(np.mean(found)))) if found else 0.0
