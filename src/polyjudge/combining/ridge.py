"""A ridge regression from all scores of a row to its ratings, which lets criteria help each other.

It needs many rated rows and helps some judges and hurts others, so that it is taken only where cross-validation by
document prefers it to the jury, and never with fewer than FEWEST_ROWS rated rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.combining.folds import folds
from polyjudge.combining.jury import Jury
from polyjudge.combining.objective import Metrics, Objective
from polyjudge.metrics.levels import Matrix, Vector
from polyjudge.metrics.rated import Rated, RatedRows, matrix

FEWEST_ROWS = 200
# Penalties as shares of the number of rows; the features are standardised.
PENALTIES = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear maps from the standardised scores of M members on K criteria to each ordered criterion.

    Attributes:
        members: M, in the order of the features; each has K features.
        means: (M * K,) by which features are centred.
        spreads: (M * K,) by which they are divided; a constant feature has 1.
        coefficients: (K,) rows of M * K; empty for a criterion of labels.
        intercepts: (K,).
    """

    members: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]

    def predict(self, scores: Mapping[str, npt.ArrayLike]) -> Matrix:
        """The expected ratings (n, K) of rows.

        A missing score counts as its mean; NaN where no member scored a criterion itself, and on labels.

        Raises:
            KeyError: a member has no scores.
            ValueError: shapes differ.
        """
        features = _features(self.members, scores)
        standard = np.nan_to_num((features - np.array(self.means)) / np.array(self.spreads))
        n_criteria = len(self.intercepts)
        predicted = np.full((len(features), n_criteria), np.nan)
        for k, row in enumerate(self.coefficients):
            if row:
                scored = ~np.isnan(features[:, k::n_criteria]).all(axis=1)
                predicted[scored, k] = self.intercepts[k] + standard[scored] @ np.array(row)
        return predicted


@dataclass(frozen=True, slots=True, eq=False)
class RidgeChoice:
    """Whether a ridge replaces the jury.

    Attributes:
        ridge: fitted on all rows; None: the jury stays.
        reason: one sentence.
        value: its cross-validated mean agreement; NaN = not measured.
        jury_value: the jury's on the same rows.
        cross_fitted: (n, K) its predictions, each by a ridge that saw no rating of the document; None = not measured.
    """

    ridge: Ridge | None
    reason: str
    value: float = float("nan")
    jury_value: float = float("nan")
    cross_fitted: Matrix | None = None


def fit_ridge(members: Sequence[str], scores: Mapping[str, npt.ArrayLike], rows: Rated) -> Ridge:
    """Fit on all rows; the penalty of each criterion minimises the leave-one-out error.

    Args:
        members: whose scores become features.
        scores: member -> (n, K), NaN = unscored.
        rows: the human ratings of the same rows.

    Raises:
        KeyError: a member has no scores.
        ValueError: shapes differ.
    """
    rated = RatedRows.of(rows)
    features = _features(members, scores)
    n_criteria = len(rated.levels)
    nominal = [levels is not None and levels.nominal for levels in rated.levels]
    used = np.array([not nominal[column % n_criteria] for column in range(features.shape[1])])
    present = ~np.isnan(features) & used
    count = np.maximum(1, present.sum(axis=0))
    means = np.where(present, features, 0.0).sum(axis=0) / count
    spreads = np.sqrt(np.where(present, np.square(features - means), 0.0).sum(axis=0) / count)
    spreads = np.where(spreads > 1e-12, spreads, 1.0)
    standard = np.where(present, (np.nan_to_num(features) - means) / spreads, 0.0)
    coefficients: list[tuple[float, ...]] = []
    intercepts: list[float] = []
    for k in range(n_criteria):
        known = ~np.isnan(rated.human[:, k]) & present[:, k::n_criteria].any(axis=1)
        if nominal[k] or known.sum() < 2:
            coefficients.append(())
            intercepts.append(0.0)
            continue
        weights, intercept = _solve(standard[known], rated.human[known, k])
        coefficients.append(tuple(weights.tolist()))
        intercepts.append(intercept)
    return Ridge(
        tuple(members), tuple(means.tolist()), tuple(spreads.tolist()), tuple(coefficients), tuple(intercepts)
    )


def choose_ridge(
    jury: Jury,
    scores: Mapping[str, npt.ArrayLike],
    rows: Rated,
    metrics: Metrics,
    *,
    n_folds: int = 5,
    seed: int = 0,
) -> RidgeChoice:
    """A ridge over the jury's members, if cross-validation by document prefers it to the jury.

    The jury was chosen on these rows and the ridge is measured on documents that it did not see, so that in doubt the
    jury stays.

    Raises:
        KeyError: a member has no scores.
        ValueError: shapes differ.
    """
    rated = RatedRows.of(rows)
    ordered = [k for k, nominal in enumerate(jury.nominal) if not nominal]
    n_rated = min((int((~np.isnan(rated.human[:, k])).sum()) for k in ordered), default=0)
    if n_rated < FEWEST_ROWS or rated.n_units < n_folds:
        return RidgeChoice(None, f"a ridge needs {FEWEST_ROWS} rated rows on every criterion with an order")
    objective = Objective.of(rated, metrics)
    judged = {member: matrix(scores[member], "scores") for member in jury.members}
    base = jury.combine(judged).scores
    fold = folds(rated.clusters, n_folds, seed)
    cross_fitted = base.copy()
    for held_out in range(n_folds):
        seen, left = fold != held_out, fold == held_out
        ridge = fit_ridge(jury.members, {name: each[seen] for name, each in judged.items()}, rated.take(seen))
        cross_fitted[np.ix_(left, ordered)] = ridge.predict({m: each[left] for m, each in judged.items()})[:, ordered]
    both = np.where(np.isnan(base), np.nan, cross_fitted)
    with_ridge, without = objective.value(both), objective.value(np.where(np.isnan(both), np.nan, base))
    figures = (with_ridge.mean, without.mean, cross_fitted)
    if not with_ridge > without:
        return RidgeChoice(None, "cross-validation does not prefer a ridge to the jury", *figures)
    return RidgeChoice(fit_ridge(jury.members, judged, rated), "cross-validation prefers the ridge", *figures)


def _features(members: Sequence[str], scores: Mapping[str, npt.ArrayLike]) -> Matrix:
    """The scores of all members side by side, (n, M * K)."""
    return np.hstack([matrix(scores[member], f"the scores of {member!r}") for member in members])


def _solve(features: Matrix, ratings: Vector) -> tuple[Vector, float]:
    """Coefficients and intercept under the penalty with the least leave-one-out error."""
    centre, origin = features.mean(axis=0), float(ratings.mean())
    left, singular, right = np.linalg.svd(features - centre, full_matrices=False)
    projected = left.T @ (ratings - origin)
    best, weights = np.inf, np.zeros(features.shape[1])
    for penalty in PENALTIES:
        shrink = singular**2 / (singular**2 + penalty * len(features))
        residuals = ratings - origin - left @ (shrink * projected)
        leverage = np.square(left) @ shrink + 1 / len(features)
        error = float(np.square(residuals / np.maximum(1e-9, 1 - leverage)).mean())
        if error < best:
            best = error
            weights = right.T @ (singular / (singular**2 + penalty * len(features)) * projected)
    return weights, origin - float(centre @ weights)
