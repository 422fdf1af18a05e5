"""What this much data can show, told before anything is paid: the smallest detectable difference.

No judge has been run yet, so two are drawn: equally good ones, whose answers follow the ratings as closely, and
each other as closely, as is stated. How far their agreement differs by chance, over many draws, is the standard
error of a paired difference; a difference of 2.8 of these is found with 80 % power by a two-sided test at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from polyjudge.formatting.text import many
from polyjudge.metrics.agreement import Metric
from polyjudge.metrics.copula import Noise, Rated, Strength
from polyjudge.metrics.grouping import Clusters, Documents, Scales, matrix, mean, scales
from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.resampling import blocks

# z(.975) + z(.80)
STANDARD_ERRORS = 2.8
# More rows than these are not drawn: the error of a larger sample follows from its size.
MOST_ROWS = 2000
# Draws to tune a simulated judge by, before the draws that count.
PILOT = 20
ROUNDS = 5
UNKNOWN = Strength(math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class DetectableDifference:
    """The smallest difference between two judges that the data can show, and what was assumed to say so.

    `per_criterion` (K,) and `mean` (over criteria) are differences of `metric`, 2.8 times `standard_errors` and
    `standard_error`; NaN where the ratings allow no value. Assumed: two equally good judges of rank correlation
    `agreement` with the ratings (categorical: kappa) and `output_correlation` with each other; errors correlated
    within documents as the ratings are (`document_correlation`, K intraclass correlations) and between criteria
    as the ratings are (`criteria_correlation`). `reached_agreement` and `reached_output_correlation` (K,) are what
    the simulated judges came to: coarse or lopsided ratings may not allow what was asked.
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
    same_text: bool = False

    @property
    def assumptions(self) -> str:
        """The assumptions as one sentence for a reader."""
        errors = f"errors that cluster in {many(self.n_documents, 'documents')} as the ratings do"
        if self.same_text:
            errors = f"the same errors wherever one of the {self.n_documents} different texts stands"
        elif not any(self.document_correlation):
            errors = "errors that do not cluster in documents"
        return (
            f"Assumes two equally good judges with agreement {self.agreement:g} whose outputs correlate at "
            f"{self.output_correlation:g}, {errors}, 80 % power and a two-sided test at 5 %; simulated, "
            f"{self.n_draws} draws, seed {self.seed}."
        )


def smallest_detectable_difference(
    metric: Metric,
    human: npt.ArrayLike,
    *,
    levels: Scales = None,
    documents: Documents | None = None,
    agreement: float = 0.3,
    output_correlation: float = 0.72,
    same_text: bool = False,
    n_draws: int = 400,
    seed: int = 0,
) -> DetectableDifference:
    """What a paired comparison on these ratings (n, K) or (n,), NaN = missing, can show; pooled over rows.

    Needs no judge. Each draw makes two judges by a Gaussian copula on the actual ratings and documents, answering
    with the ratings' own frequencies, and takes the difference of their agreement. The standard error carries a
    simulation error of about 1 / sqrt(2 n_draws), 4 % by default. `output_correlation` .72 is typical of two
    prompts for one model; .54 and .87 are the ends that were observed. With `same_text` the rows of a document are
    copies of one text, on which a judge errs in the same way each time.

    Raises:
        ValueError: if shapes differ, `agreement` or `output_correlation` is not between 0 and 1, `n_draws` is below
            2, or the metric needs `levels` and has none.
    """
    if not (0 <= agreement < 1 and 0 <= output_correlation < 1 and n_draws > 1):
        raise ValueError(
            "agreement and output_correlation must lie from 0 to below 1 and n_draws above 1, "
            f"not {agreement!r}, {output_correlation!r} and {n_draws!r}"
        )
    ratings = matrix(human, "human")
    clusters = Clusters.of(documents, len(ratings))
    wanted = Strength(agreement, output_correlation)
    known = scales(levels, ratings.shape[1])
    found = _simulate(metric, ratings, known, clusters, wanted, same_text, n_draws, seed)
    errors = [_deviation(column) for column in found.differences.T]
    error = math.nan if math.isnan(mean(errors)) else _deviation(found.differences.mean(axis=1))
    return DetectableDifference(
        metric=metric.name,
        per_criterion=tuple(STANDARD_ERRORS * each for each in errors),
        mean=STANDARD_ERRORS * error,
        standard_errors=tuple(errors),
        standard_error=error,
        n_rows=len(ratings),
        n_documents=clusters.count,
        agreement=agreement,
        output_correlation=output_correlation,
        document_correlation=found.noise.within,
        criteria_correlation=found.noise.between,
        reached_agreement=tuple(each.agreement for each in found.reached),
        reached_output_correlation=tuple(each.output_correlation for each in found.reached),
        n_draws=n_draws,
        seed=seed,
        same_text=same_text,
    )


@dataclass(frozen=True, slots=True)
class _Simulation:
    """Differences (n_draws, K) on the scale of the full sample, and the judges they come from."""

    differences: Matrix
    reached: list[Strength]
    noise: Noise


def _simulate(
    metric: Metric,
    ratings: Matrix,
    levels: Sequence[Levels | None],
    clusters: Clusters,
    wanted: Strength,
    same_text: bool,
    n_draws: int,
    seed: int,
) -> _Simulation:
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = _some_documents(clusters, generator)
    criteria = [Rated.of(ratings[rows, k], scale) for k, scale in enumerate(levels)]
    noise = Noise.like(criteria, Clusters.of(clusters.position[rows].tolist(), rows.size))
    if same_text:
        noise = replace(noise, within=(1.0,) * len(criteria))
    strengths = [wanted] * len(criteria)
    for _ in range(ROUNDS):
        reached = _pilot(criteria, noise, strengths, generator)
        strengths = [one.towards(wanted, found) for one, found in zip(strengths, reached, strict=True)]
    reached = _pilot(criteria, noise, strengths, generator)
    differences = np.vstack(
        [
            _differences(metric, criteria, noise, strengths, size, generator)
            for size in blocks(rows.size * len(criteria), n_draws)
        ]
    )
    shrink = math.sqrt(rows.size / len(ratings)) if len(ratings) else 1.0
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
    criteria: Sequence[Rated], noise: Noise, strengths: Sequence[Strength], generator: np.random.Generator
) -> list[Strength]:
    """What judges of these latent strengths come to: ties and coarse scales weaken every correlation."""
    errors, choices = noise.draw(PILOT, generator), noise.draw(PILOT, generator)
    return [
        each.reached(each.judge(strengths[k], errors[..., k], choices[..., k])) if each.usable else UNKNOWN
        for k, each in enumerate(criteria)
    ]


def _differences(
    metric: Metric,
    criteria: Sequence[Rated],
    noise: Noise,
    strengths: Sequence[Strength],
    n_draws: int,
    generator: np.random.Generator,
) -> Matrix:
    """The metric of one judge minus that of its equal, (n_draws, K); NaN where undefined."""
    differences = np.full((n_draws, len(criteria)), np.nan)
    errors, choices = noise.draw(n_draws, generator), noise.draw(n_draws, generator)
    for k, each in enumerate(criteria):
        if each.usable:
            first, second = each.judge(strengths[k], errors[..., k], choices[..., k])
            differences[:, k] = each.agreement(metric, first) - each.agreement(metric, second)
    return differences


def _deviation(values: Vector) -> float:
    """Standard deviation of the defined values; NaN of fewer than two."""
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if defined.size > 1 else math.nan
