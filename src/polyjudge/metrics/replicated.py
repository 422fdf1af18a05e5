"""Differences of configurations that were run several times: intervals over runs and documents at once.

A configuration is judged by runs (seeds) on the same rows, and both are samples: other seeds would draw other batches
and other answers, other documents other difficulties. So runs and documents are resampled together and crossed, the
same documents for every run of a resample. Where answers vary by chance, their noise is part of what differs between
runs, and so of the interval. With crossed factors this resampling is conservative for what belongs to single answers
(Owen 2007, the pigeonhole bootstrap); the spread between R runs it takes for (R - 1) / R of what it is, a third too
little variance with three runs.
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

    In each pair both are measured on the rows that both scored. ``run_of`` says which run (seed) a pair belongs to,
    where one run has several; they then come and go together. Interval and p-value are Student's t of the standard
    error over the resamples, so that they agree and the p-value has no floor.

    Raises:
        ValueError: if there are no runs, not as many of both, or the shapes differ.
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
    used = min((count for pair in pairs for count in pair.used()), default=0)
    columns = [float(values[:, k].mean()) for k in range(values.shape[1])]
    n_pairs = np.min([pair.pairs() for pair in pairs], axis=0).tolist()
    return Estimates(
        tuple(_difference(value, replicates[:, k], level, len(values), used) for k, value in enumerate(columns)),
        _difference(mean(columns), replicates.mean(axis=1), level, len(values), used),
        tuple(n_pairs),
        rated.n_units,
    )


def crossed_difference(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """The difference of two means of ratings (runs, steps), NaN = missing, and the same as a share of ``theirs``.

    The steps are the same on both sides, the runs need not be: steps are resampled together, runs by side.

    Raises:
        ValueError: if the steps are not as many.
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
    own, other = (float(_mean(side.reshape(1, -1))[0]) for side in sides)
    runs = min(map(len, sides))
    absolute = _difference(own - other, means[0] - means[1], level, runs, steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = means[0] / means[1] - 1
    relative = _difference(own / other - 1 if other else math.nan, shares, level, runs, steps)
    return absolute, relative


def _mean(rows: Matrix) -> Vector:
    """The mean of each row's defined values; NaN where there is none."""
    known = ~np.isnan(rows)
    counts = known.sum(axis=1)
    sums = np.where(known, rows, 0.0).sum(axis=1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def _by_run(by_pair: npt.NDArray[np.float64], runs: Sequence[int]) -> npt.NDArray[np.float64]:
    """The mean of each run's pairs, along the first axis."""
    kept = [*dict.fromkeys(runs)]
    return np.stack([by_pair[[at for at, run in enumerate(runs) if run == one]].mean(axis=0) for one in kept])


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
