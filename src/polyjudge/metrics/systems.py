"""System-level agreement: the correlation of systems' mean scores, with systems and documents resampled.

It is the figure that the field reports beside the pooled one: whether a judge ranks systems as people do. Intervals
resample both, as BOOT-BOTH of Deutsch, Dror and Roth (2021, "A Statistical Analysis of Summarization Evaluation
Metrics Using Resampling Methods"), because both the systems and the documents are samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Indices, Matrix, Vector
from polyjudge.metrics.pairs import ratio
from polyjudge.metrics.resampling import draws
from polyjudge.metrics.uncertainty import interval


@dataclass(frozen=True, slots=True)
class SystemLevel:
    """The correlations of S systems' mean scores with their mean ratings.

    Attributes:
        judged: (S,) the systems' mean scores.
        human: (S,) their mean ratings.
        items: (S,) how many items each mean is of.
        kendall: tau-b over the systems.
        pearson: over the systems.
    """

    judged: Vector
    human: Vector
    items: Indices
    kendall: Estimate
    pearson: Estimate


def system_level(
    judged: Vector,
    human: Vector,
    systems: Indices,
    clusters: Indices,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> SystemLevel:
    """System-level agreement of scores and ratings (n,), NaN = missing; items that lack one count nowhere.

    Args:
        judged: of the judge.
        human: of people.
        systems: (n,) the system of each item among 0, 1, ...
        clusters: (n,) the document of each item among 0, 1, ...
        n_resamples: drawn.
        level: of the intervals.
        seed: of the draws.
    """
    n_systems, n_clusters = int(systems.max(initial=-1)) + 1, int(clusters.max(initial=-1)) + 1
    complete = ~(np.isnan(judged) | np.isnan(human))
    cell = systems[complete] * n_clusters + clusters[complete]
    size = n_systems * n_clusters
    counts, scores, ratings = (
        np.bincount(cell, weights=weights, minlength=size).reshape(n_systems, n_clusters)
        for weights in (None, judged[complete], human[complete])
    )
    whole = np.ones((1, n_clusters))
    means = [ratio(whole @ total.T, whole @ counts.T)[0] for total in (scores, ratings)]
    present = (counts.sum(axis=1) > 0).astype(np.float64)[None, :]
    values = _correlations(means[0][None, :], means[1][None, :], present)
    replicates: list[Matrix] = []
    documents = draws(n_clusters, n_resamples, seed)
    drawn = np.vstack(list(draws(n_systems, n_resamples, seed + 1)))
    start = 0
    for of_documents in documents:
        of_systems = drawn[start : start + len(of_documents)]
        start += len(of_documents)
        x, y = (ratio(of_documents @ total.T, of_documents @ counts.T) for total in (scores, ratings))
        replicates.append(_correlations(x, y, of_systems))
    both = np.vstack(replicates)
    fewest = min(int(present.sum()), int(np.unique(clusters[complete]).size))
    kendall, pearson = (interval(float(values[0, k]), both[:, k], level, fewest) for k in range(2))
    return SystemLevel(means[0], means[1], counts.sum(axis=1).astype(np.intp), kendall, pearson)


def _correlations(x: Matrix, y: Matrix, weights: Matrix) -> Matrix:
    """Kendall's tau-b and Pearson of rows (b, S), each system counted so often: (b, 2), NaN where undefined.

    A system without a mean counts 0 times. A system that was drawn twice is tied with itself, as it is where it is
    written twice.
    """
    weights = np.where(np.isnan(x) | np.isnan(y), 0.0, weights)
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    found = np.empty((len(x), 2))
    for row, (a, b, w) in enumerate(zip(x, y, weights, strict=True)):
        dx, dy, pairs = np.sign(a[:, None] - a), np.sign(b[:, None] - b), np.outer(w, w)
        untied = np.sqrt((pairs * dx * dx).sum() * (pairs * dy * dy).sum())
        found[row, 0] = (pairs * dx * dy).sum() / untied if untied else np.nan
    total = weights.sum(axis=1, keepdims=True)
    dx, dy = (values - ratio((weights * values).sum(axis=1), total[:, 0])[:, None] for values in (x, y))
    spread = np.sqrt((weights * dx * dx).sum(axis=1) * (weights * dy * dy).sum(axis=1))
    usual = np.abs(np.stack([x, y])).max(initial=1.0)
    spread = np.where(spread > 1e-12 * usual * usual, spread, 0.0)
    found[:, 1] = ratio((weights * dx * dy).sum(axis=1), spread)
    return found
