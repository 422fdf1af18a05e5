"""Paired tests of two judges, and the correction for asking often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.agreement import Metric
from polyjudge.metrics.grouping import Clusters, Documents, Grouping, Scales, mean
from polyjudge.metrics.levels import Vector
from polyjudge.metrics.resampling import Contest, coins, statistics

# A permuted difference this close to the observed one is the same number, summed in another order.
SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Permutation:
    """A two-sided paired permutation test of `difference`.

    `p_value` is NaN where `difference` is. Undefined permutations count against significance; there are
    `n_undefined` of them.
    """

    difference: float
    p_value: float
    n_permutations: int
    n_undefined: int


@dataclass(frozen=True, slots=True)
class Permutations:
    """Tests for K criteria in their order and for their unweighted mean; correct several of them with `holm`."""

    per_criterion: tuple[Permutation, ...]
    mean: Permutation


def permutation_test(
    metric: Metric,
    predicted_a: npt.ArrayLike,
    predicted_b: npt.ArrayLike,
    human: npt.ArrayLike,
    *,
    levels: Scales = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
    n_permutations: int = 2000,
    seed: int = 0,
) -> Permutations:
    """Test whether two judges of the same rows, (n, K) or (n,), differ, by swapping them within documents.

    Each permutation swaps the scores of A and B in a random half of the documents, in all criteria together, and
    computes A minus B anew, because a correlation has no contribution of a document whose sign could be flipped.
    The null is that A and B are exchangeable. Rows that not both scored are left out, NaN = missing. The p-value is
    (1 + permutations at least as large) / (1 + permutations), never 0 (Phipson and Smyth 2010).

    Raises:
        ValueError: if shapes differ, the grouping cannot be meant, or `n_permutations` is not positive.
    """
    contest = Contest.of(predicted_a, predicted_b, human)
    observed = contest.differences(metric, levels, documents, grouping)
    clusters = Clusters.of(documents, len(contest.human))
    # B's rows stand below A's as documents of their own: a swap is then a matter of counting one or the other.
    twice = Clusters(np.concatenate([clusters.position, clusters.position + clusters.count]), 2 * clusters.count)
    judges, ratings = np.vstack([contest.a, contest.b]), np.vstack([contest.human, contest.human])
    statistic = statistics(metric, judges, ratings, twice, levels, grouping)
    permuted = np.vstack(
        [
            statistic(np.hstack([heads, 1 - heads])) - statistic(np.hstack([1 - heads, heads]))
            for heads in coins(clusters.count, n_permutations, seed)
        ]
    )
    return Permutations(
        per_criterion=tuple(_permutation(value, permuted[:, k]) for k, value in enumerate(observed)),
        mean=_permutation(mean(observed), permuted.mean(axis=1)),
    )


def holm(p_values: npt.ArrayLike) -> Vector:
    """Adjust p-values (m,) for being m tests at once, (m,), by Holm's step-down rule (Holm 1979).

    NaN stays NaN and counts as no test.

    Raises:
        ValueError: if the shape is another one, or a p-value is not between 0 and 1.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or (given < 0).any() or (given > 1).any():
        raise ValueError("p_values must have the shape (m,) and lie between 0 and 1")
    order = np.argsort(given, kind="stable")[: int((~np.isnan(given)).sum())]
    steps = given[order] * (order.size - np.arange(order.size))
    adjusted = np.full(given.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def _permutation(observed: float, permuted: Vector) -> Permutation:
    undefined = np.isnan(permuted)
    if np.isnan(observed):
        return Permutation(observed, np.nan, permuted.size, int(undefined.sum()))
    extreme = undefined | (np.abs(permuted) >= abs(observed) - SAME)
    p_value = (1 + int(extreme.sum())) / (1 + permuted.size)
    return Permutation(observed, p_value, permuted.size, int(undefined.sum()))
