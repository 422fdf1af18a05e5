"""The smallest detectable difference between two judges, computed before any judge is run.

Two equally good judges are simulated, with a given agreement with the ratings and a given correlation with each other.
The standard deviation of the difference in their agreement, over many draws, is the standard error of a paired
difference; a difference of 2.8 standard errors is found with 80 % power by a two-sided test at 5 %.

The judges are drawn by a Gaussian copula. On an ordered scale a judge's latent answer is the rating's normal score
plus noise, cut so that each label is as frequent as among the ratings. On a categorical scale a judge repeats the
rating with some probability and otherwise answers by these frequencies. Noise is correlated within documents, between
criteria and between the two judges. If scores of real judges exist, the standard errors of their own differences
(`Estimate.detectable`) are better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from polyjudge.formatting.text import many
from polyjudge.metrics.estimates import STANDARD_ERRORS
from polyjudge.metrics.grouping import mean
from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.pairs import Pairs
from polyjudge.metrics.rated import Clusters, Rated, RatedRows
from polyjudge.metrics.resampling import blocks
from polyjudge.metrics.statistics import kappa, pearson, spearman

# A typical agreement of judges on hard criteria.
USUAL_AGREEMENT = 0.3
# The most rows that are simulated: the error of a larger sample follows from its size.
MOST_ROWS = 2000
# Draws and rounds by which the simulated judges are tuned to the wanted correlations.
PILOT = 20
ROUNDS = 5

Draws = npt.NDArray[np.float64]
"""Standard normal noise of two judges: (2, draws, n, K)."""

Answers = npt.NDArray[np.intp]
"""Answers as positions among the possible ones: (draws, m) of one judge, (2, draws, m) of two."""

# Judges use few different values, also on a continuous scale.
MOST_ANSWERS = 21
# The highest latent correlation.
STRONGEST = 0.98


@dataclass(frozen=True, slots=True)
class Correlations:
    """The correlation of a judge with the ratings, and of two judges with each other; from 0 to 1."""

    agreement: float
    output_correlation: float

    def towards(self, wanted: Correlations, reached: Correlations) -> Correlations:
        """These latent correlations, moved by the difference of wanted and reached ones (in Fisher's z)."""
        return Correlations(
            _moved(self.agreement, wanted.agreement, reached.agreement),
            _moved(self.output_correlation, wanted.output_correlation, reached.output_correlation),
        )


@dataclass(frozen=True, slots=True)
class RatedColumn:
    """The present ratings of one criterion, prepared for the simulation of judges.

    `rows` (m,) are the rated rows, `human` (m,) their ratings, `order` (m,) the positions of these among the distinct
    ratings, and `scores` (m,) their normal scores with unit variance. `answers` (a,) are the values a judge may give,
    `cuts` (a - 1,) the latent thresholds between them, and `repeats` (m,) the answer that repeats each rating.
    """

    levels: Levels | None
    rows: Indices
    human: Vector
    order: Indices
    scores: Vector
    answers: Vector
    cuts: Vector
    repeats: Indices

    @classmethod
    def of(cls, ratings: Vector, levels: Levels | None) -> RatedColumn:
        """Prepare one column of ratings (n,), NaN = missing."""
        rows = np.flatnonzero(~np.isnan(ratings))
        human = ratings[rows]
        _, order, counts = np.unique(human, return_inverse=True, return_counts=True)
        middles = (np.cumsum(counts) - counts / 2) / max(1, human.size)
        scores = np.array([NormalDist().inv_cdf(middle) for middle in middles])[order.reshape(-1)]
        deviation = scores.std() if counts.size > 1 else 1.0
        answers = _answers(human, levels)
        shares = np.cumsum(np.bincount(answers.repeats, minlength=answers.values.size)) / max(1, human.size)
        cuts = np.array([NormalDist().inv_cdf(share) for share in shares[:-1]])
        standard = (scores - scores.mean()) / deviation if human.size else scores
        return cls(levels, rows, human, order.reshape(-1), standard, answers.values, cuts, answers.repeats)

    @property
    def nominal(self) -> bool:
        """Whether the labels have no order."""
        return self.levels is not None and self.levels.nominal

    @property
    def usable(self) -> bool:
        """Whether there are enough ratings, and different ones, for an agreement."""
        return self.human.size > 2 and self.answers.size > 1

    def judge(self, latent: Correlations, noise: Draws, choices: Draws) -> Answers:
        """The answers of two judges, (2, draws, m), from two independent noises (2, draws, n)."""
        agreement, between = latent.agreement, latent.output_correlation
        if self.nominal:
            guesses = np.searchsorted(self.cuts, _correlated(noise[:, :, self.rows], between))
            bound = NormalDist().inv_cdf(agreement) if agreement > 0 else -np.inf
            return np.where(_correlated(choices[:, :, self.rows], between) < bound, self.repeats, guesses)
        shared = max(0.0, (between - agreement**2) / (1 - agreement**2))
        errors = _correlated(noise[:, :, self.rows], shared)
        answers = agreement * self.scores + math.sqrt(1 - agreement**2) * errors
        return np.searchsorted(self.cuts, answers).astype(np.intp)

    def agreement(self, metric: Metric, judged: Answers) -> Vector:
        """The agreement of each draw (draws, m) with the ratings: (draws,)."""
        if not metric.applies_to(self.levels):
            return np.full(len(judged), np.nan)
        distinct = np.unique(self.human)
        if distinct.size * self.answers.size > self.human.size:
            return np.array([metric(self.answers[row], self.human, self.levels) for row in judged])
        counts = _tables(judged, self.order, self.answers.size, distinct.size)
        return metric.weighted(_grid(self.answers, distinct), counts, self.levels)

    def reached(self, judged: Answers) -> Correlations:
        """The mean rank correlations (labels: kappas) that two judges (2, draws, m) reach."""
        metric = kappa if self.nominal else spearman
        with_people = np.concatenate([self.agreement(metric, answers) for answers in judged])
        size = self.answers.size
        counts = _tables(judged[0], judged[1], size, size)
        together = metric.weighted(_grid(self.answers, self.answers), counts, self.levels)
        return Correlations(_mean(with_people), _mean(together))


@dataclass(frozen=True, slots=True)
class Noise:
    """The correlations of a judge's errors: `within` (K,) inside a document, `between` two criteria of one row."""

    clusters: Clusters
    within: tuple[float, ...]
    between: float

    @classmethod
    def like(cls, criteria: Sequence[RatedColumn], clusters: Clusters) -> Noise:
        """Errors that correlate as the ratings do, within documents and between criteria."""
        return cls(clusters, tuple(_within(column, clusters) for column in criteria), _between(criteria))

    def draw(self, n_draws: int, generator: np.random.Generator) -> Draws:
        """Two independent judges' noise, (2, n_draws, n, K)."""
        rows = self._draw(n_draws, self.clusters.position.size, generator)
        documents = self._draw(n_draws, self.clusters.count, generator)
        within = np.array(self.within)
        noise: Draws = np.sqrt(1 - within) * rows + np.sqrt(within) * documents[:, :, self.clusters.position]
        return noise

    def _draw(self, n_draws: int, size: int, generator: np.random.Generator) -> Draws:
        separate = generator.standard_normal((2, n_draws, size, len(self.within)))
        shared = generator.standard_normal((2, n_draws, size, 1))
        return math.sqrt(1 - self.between) * separate + math.sqrt(self.between) * shared


@dataclass(frozen=True, slots=True)
class DetectableDifference:
    """The smallest detectable difference between two judges, and the assumptions behind it.

    `per_criterion` (K,) and `mean` (over criteria) are differences of `metric`, 2.8 times `standard_errors` and
    `standard_error`; NaN where undefined. Assumed: two equally good judges of rank correlation
    `agreement` with the ratings (categorical: kappa) and `output_correlation` with each other; errors correlated
    within documents as the ratings are (`document_correlation`, K intraclass correlations) and between criteria
    as the ratings are (`criteria_correlation`). `reached_agreement` and `reached_output_correlation` (K,) are what
    the simulated judges reached: coarse or lopsided ratings may not allow the assumed values.
    """

    metric: str
    per_criterion: tuple[float, ...]
    mean: float
    standard_errors: tuple[float, ...]
    standard_error: float
    n_rows: int
    n_documents: int
    agreement: float
    output_correlation: float
    document_correlation: tuple[float, ...]
    criteria_correlation: float
    reached_agreement: tuple[float, ...]
    reached_output_correlation: tuple[float, ...]
    n_draws: int
    seed: int

    @property
    def assumptions(self) -> str:
        """The assumptions in one sentence."""
        errors = f"errors that cluster in {many(self.n_documents, 'documents')} as the ratings do"
        if not any(self.document_correlation):
            errors = "errors that do not cluster in documents"
        return (
            f"Assumed, because no two judges' scores are at hand: two equally good judges of agreement "
            f"{self.agreement:.2g} whose outputs correlate at {self.output_correlation:g}, and {errors}; 80 % power, "
            f"a two-sided test at 5 %; simulated, {self.n_draws} draws, seed {self.seed}."
        )


def smallest_detectable_difference(
    metric: Metric,
    rows: Rated,
    *,
    agreement: float = USUAL_AGREEMENT,
    output_correlation: float = 0.72,
    n_draws: int = 400,
    seed: int = 0,
) -> DetectableDifference:
    """The smallest difference that a paired comparison on these ratings can show; pooled over rows.

    Each draw makes two judges by a Gaussian copula on the actual ratings and documents, which answer with the ratings'
    own frequencies, and takes the difference of their agreement. The standard error has a simulation error of about
    1 / sqrt(2 n_draws), 4 % by default. `output_correlation` .72 is typical of two prompts for one model; .54 and .87
    were the lowest and highest observed, so that the true value may be half as large or half as large again.

    Raises:
        ValueError: if `agreement` or `output_correlation` is not between 0 and 1, `n_draws` is below 2, or the metric
            needs a scale and has none.
    """
    if not (0 <= agreement < 1 and 0 <= output_correlation < 1 and n_draws > 1):
        raise ValueError(
            "agreement and output_correlation must lie from 0 to below 1 and n_draws above 1, "
            f"not {agreement!r}, {output_correlation!r} and {n_draws!r}"
        )
    rated = RatedRows.of(rows)
    rated = rated.take(np.asarray(~np.isnan(rated.human).all(axis=1)))
    wanted = Correlations(agreement, output_correlation)
    simulated = _simulate(metric, rated, wanted, n_draws, seed)
    errors = [_deviation(column) for column in simulated.differences.T]
    of_mean = math.nan if math.isnan(mean(errors)) else _deviation(simulated.differences.mean(axis=1))
    return DetectableDifference(
        metric=metric.name,
        per_criterion=tuple(STANDARD_ERRORS * error for error in errors),
        mean=STANDARD_ERRORS * of_mean,
        standard_errors=tuple(errors),
        standard_error=of_mean,
        n_rows=len(rated),
        n_documents=rated.n_units,
        agreement=agreement,
        output_correlation=output_correlation,
        document_correlation=simulated.noise.within,
        criteria_correlation=simulated.noise.between,
        reached_agreement=tuple(reached.agreement for reached in simulated.reached),
        reached_output_correlation=tuple(reached.output_correlation for reached in simulated.reached),
        n_draws=n_draws,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Simulation:
    """Differences (n_draws, K), scaled to the full sample, and the correlations of the judges behind them."""

    differences: Matrix
    reached: list[Correlations]
    noise: Noise


def _simulate(metric: Metric, rated: RatedRows, wanted: Correlations, n_draws: int, seed: int) -> _Simulation:
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = _some_documents(rated.clusters, generator)
    criteria = [RatedColumn.of(rated.human[rows, k], scale) for k, scale in enumerate(rated.levels)]
    noise = Noise.like(criteria, Clusters.of(rated.clusters.position[rows].tolist(), rows.size))
    latents = [wanted] * len(criteria)
    for _ in range(ROUNDS):
        reached = _pilot(criteria, noise, latents, generator)
        latents = [latent.towards(wanted, result) for latent, result in zip(latents, reached, strict=True)]
    reached = _pilot(criteria, noise, latents, generator)
    differences = np.vstack(
        [
            _differences(metric, criteria, noise, latents, size, generator)
            for size in blocks(rows.size * len(criteria), n_draws)
        ]
    )
    shrink = math.sqrt(rows.size / len(rated)) if len(rated) else 1.0
    return _Simulation(differences * shrink, reached, noise)


def _some_documents(clusters: Clusters, generator: np.random.Generator) -> Indices:
    """The rows of as many random documents as hold MOST_ROWS rows; all rows if there are no more."""
    if clusters.position.size <= MOST_ROWS:
        return np.arange(clusters.position.size)
    shuffled = generator.permutation(clusters.count)
    sizes = np.bincount(clusters.position, minlength=clusters.count)[shuffled]
    enough = int(np.searchsorted(np.cumsum(sizes), MOST_ROWS)) + 1
    return np.flatnonzero(np.isin(clusters.position, shuffled[:enough]))


def _pilot(
    criteria: Sequence[RatedColumn], noise: Noise, latents: Sequence[Correlations], generator: np.random.Generator
) -> list[Correlations]:
    """The correlations that judges of these latent ones reach: ties and coarse scales weaken them."""
    errors, choices = noise.draw(PILOT, generator), noise.draw(PILOT, generator)
    return [
        column.reached(column.judge(latents[k], errors[..., k], choices[..., k]))
        if column.usable
        else Correlations(math.nan, math.nan)
        for k, column in enumerate(criteria)
    ]


def _differences(
    metric: Metric,
    criteria: Sequence[RatedColumn],
    noise: Noise,
    latents: Sequence[Correlations],
    n_draws: int,
    generator: np.random.Generator,
) -> Matrix:
    """The difference in agreement of two equally good judges, (n_draws, K); NaN where undefined."""
    differences = np.full((n_draws, len(criteria)), np.nan)
    errors, choices = noise.draw(n_draws, generator), noise.draw(n_draws, generator)
    for k, column in enumerate(criteria):
        if column.usable:
            first, second = column.judge(latents[k], errors[..., k], choices[..., k])
            differences[:, k] = column.agreement(metric, first) - column.agreement(metric, second)
    return differences


def _deviation(values: Vector) -> float:
    """Standard deviation of the defined values; NaN of fewer than two."""
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if defined.size > 1 else math.nan


@dataclass(frozen=True, slots=True)
class _Answers:
    values: Vector
    repeats: Indices


def _answers(human: Vector, levels: Levels | None) -> _Answers:
    """The values a judge may give, and the position of the one that repeats each rating."""
    if levels is not None and levels.step is not None:
        labels, repeats = np.unique(levels.nearest(human), return_inverse=True)
        return _Answers(levels.values()[labels], repeats.reshape(-1))
    values, repeats = np.unique(human, return_inverse=True)
    if values.size <= MOST_ANSWERS:
        return _Answers(values, repeats.reshape(-1))
    bounds = np.unique(np.quantile(human, np.arange(1, MOST_ANSWERS) / MOST_ANSWERS))
    bins, repeats = np.unique(np.searchsorted(bounds, human), return_inverse=True)
    repeats = repeats.reshape(-1)
    return _Answers(np.array([float(np.median(human[repeats == k])) for k in range(bins.size)]), repeats)


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


def _within(criterion: RatedColumn, clusters: Clusters) -> float:
    """Intraclass correlation of the ratings in documents, by one-way analysis of variance; 0 to .95."""
    position = clusters.position[criterion.rows]
    values = criterion.scores[:, None]
    if criterion.nominal:
        values = (criterion.repeats[:, None] == np.arange(criterion.answers.size)).astype(np.float64)
    sizes = np.bincount(position, minlength=clusters.count).astype(np.float64)
    n_documents, n_rows = int((sizes > 0).sum()), position.size
    if not criterion.usable or n_documents < 2 or n_rows <= n_documents:
        return 0.0
    sums = np.column_stack([np.bincount(position, column, minlength=clusters.count) for column in values.T])
    means = sums / np.maximum(sizes, 1)[:, None]
    inside = float(np.square(values - means[position]).sum()) / (n_rows - n_documents)
    across = float((sizes[:, None] * np.square(means - values.mean(axis=0))).sum()) / (n_documents - 1)
    typical = (n_rows - float(np.square(sizes).sum()) / n_rows) / (n_documents - 1)
    total = across + (typical - 1) * inside
    return min(0.95, max(0.0, (across - inside) / total)) if total > 0 else 0.0


def _between(criteria: Sequence[RatedColumn]) -> float:
    """The mean correlation of the ratings of two ordered criteria; 0 to .95, 0 if there are no two."""
    ordered = [column for column in criteria if column.usable and not column.nominal]
    correlations = []
    for a, b in combinations(ordered, 2):
        _, left, right = np.intersect1d(a.rows, b.rows, assume_unique=True, return_indices=True)
        correlation = pearson(a.scores[left], b.scores[right])
        if not np.isnan(correlation):
            correlations.append(correlation)
    return min(0.95, max(0.0, float(np.mean(correlations)))) if correlations else 0.0
