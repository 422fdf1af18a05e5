"""Differences of configurations that were run several times, with intervals over runs and documents.

A configuration is evaluated by several runs (seeds) on the same rows. Both are samples: other seeds would draw other
batches and answers, other documents would be harder or easier. So runs and documents are resampled together and
crossed, with the same documents for every run of a resample. Randomness of the answers is part of the differences
between runs, and so of the interval. With crossed factors this resampling is conservative for the noise of single
answers (Owen 2007, the pigeonhole bootstrap); it underestimates the variance between R runs by the factor (R - 1) / R,
a third too little with three runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.estimates import Estimate, Estimates
from polyjudge.metrics.grouping import mean
from polyjudge.metrics.levels import Matrix, Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import Rated, RatedRows
from polyjudge.metrics.resampling import Contrast, draws
from polyjudge.metrics.significance import tested
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS, MOST_UNDEFINED


def replicated_difference(
    metric: Metric,
    ours: Sequence[npt.ArrayLike],
    theirs: Sequence[npt.ArrayLike],
    rows: Rated,
    *,
    run_of: Sequence[int] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimates:
    """Differences of two configurations, run by run: ``ours[r]`` and ``theirs[r]`` are (n, K), NaN = missing.

    In each pair both are measured on the rows that both scored. ``run_of`` gives the run (seed) of each pair, if a run
    has several; these are then resampled together. Interval and p-value come from Student's t with the standard error
    over the resamples, so that they agree and the p-value has no lower limit.

    Raises:
        ValueError: if there are no runs, the numbers of runs differ, or the shapes differ.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"there are {len(ours)} runs against {len(theirs)}; each needs its partner")
    rated = RatedRows.of(rows)
    pairs = [Contrast.difference(first, second, rated) for first, second in zip(ours, theirs, strict=True)]
    by_pair = np.array([pair.values(metric, "pooled") for pair in pairs])
    statistics = [pair.statistic(metric, "pooled") for pair in pairs]
    resampled = [
        np.stack([statistic(counts) for statistic in statistics]) for counts in draws(rated.n_units, n_resamples, seed)
    ]
    runs = range(len(ours)) if run_of is None else run_of
    replicates = _over_runs(_by_run(np.concatenate(resampled, axis=1), runs), seed)
    values = _by_run(by_pair, runs)
    n_documents = min((count for pair in pairs for count in pair.n_documents()), default=0)
    columns = [float(values[:, k].mean()) for k in range(values.shape[1])]
    n_pairs = np.min([pair.n_pairs() for pair in pairs], axis=0).tolist()
    return Estimates(
        tuple(
            _difference(value, replicates[:, k], level, len(values), n_documents) for k, value in enumerate(columns)
        ),
        _difference(mean(columns), replicates.mean(axis=1), level, len(values), n_documents),
        tuple(n_pairs),
        rated.n_units,
    )


def crossed_difference(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """The difference of two means of ratings (runs, steps), NaN = missing, and the same as a share of ``theirs``.

    Both sides have the same steps, but may have different runs: steps are resampled together, runs by side.

    Raises:
        ValueError: if the numbers of steps differ.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (ours, theirs)]
    steps = sides[0].shape[1]
    if any(side.ndim != 2 or side.shape[1] != steps for side in sides):
        raise ValueError("both sides must have the shape (runs, steps), with the same steps")
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn_steps = generator.integers(0, steps, (n_resamples, steps))
    means = []
    for side in sides:
        drawn = generator.integers(0, len(side), (n_resamples, len(side)))
        means.append(_mean(side[drawn[:, :, None], drawn_steps[:, None, :]].reshape(n_resamples, -1)))
    first, second = (float(_mean(side.reshape(1, -1))[0]) for side in sides)
    runs = min(map(len, sides))
    absolute = _difference(first - second, means[0] - means[1], level, runs, steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = means[0] / means[1] - 1
    relative = _difference(first / second - 1 if second else math.nan, shares, level, runs, steps)
    return absolute, relative


def _mean(rows: Matrix) -> Vector:
    """The mean of each row's defined values; NaN where there is none."""
    known = ~np.isnan(rows)
    counts = known.sum(axis=1)
    sums = np.where(known, rows, 0.0).sum(axis=1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def _by_run(by_pair: npt.NDArray[np.float64], runs: Sequence[int]) -> npt.NDArray[np.float64]:
    """The mean of each run's pairs, along the first axis."""
    return np.stack(
        [by_pair[[k for k, of_pair in enumerate(runs) if of_pair == run]].mean(axis=0) for run in dict.fromkeys(runs)]
    )


def _over_runs(by_run: npt.NDArray[np.float64], seed: int) -> Matrix:
    """The means (b, K) over runs drawn with replacement, one draw a resample, of differences (R, b, K)."""
    runs, resamples, _ = by_run.shape
    generator = np.random.Generator(np.random.PCG64([seed, runs]))
    drawn = generator.integers(0, runs, (resamples, runs))
    return np.asarray(by_run[drawn, np.arange(resamples)[:, None]].mean(axis=1))


def _difference(value: float, replicates: Vector, level: float, runs: int, documents: int) -> Estimate:
    defined = replicates[~np.isnan(replicates)]
    undefined = replicates.size - defined.size
    estimate = replace(Estimate.undecided(value, level, documents, replicates.size, undefined), n_runs=runs)
    if math.isnan(value) or documents < FEWEST_CLUSTERS or undefined > MOST_UNDEFINED * replicates.size:
        return estimate
    return tested(estimate, float(defined.std(ddof=1)), documents - 1.0)
