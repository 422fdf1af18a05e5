"""A jury: the scores of several judges for the same rows as the scores of one.

Judges use a scale differently, so that a plain mean would weigh them by their spread and shift whenever a member
leaves a row unscored. Each member is therefore put on a common footing first: its mean and spread become those that
the members have on average, which keeps the jury on the raters' scale. Labels are decided by vote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Indices, Matrix, Vector
from polyjudge.metrics.rated import matrix

# Equal sums of scores must stay ties: their last digits depend on the order of summation.
DIGITS = 9
# What a vote of the first member weighs more than an equal one: it decides ties only.
TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Footing:
    """The map of one member's scores to the common footing, by criterion: shift (K,) + scale (K,) * score."""

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def own(cls, n_criteria: int) -> Footing:
        """The map that leaves scores as they are."""
        return cls((0.0,) * n_criteria, (1.0,) * n_criteria)

    def __call__(self, scores: Matrix) -> Matrix:
        return np.array(self.shift) + np.array(self.scale) * scores


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """The scores of a jury (n, K), NaN = no member scored it, and how many members scored each (n, K)."""

    scores: Matrix
    n_members: Indices


@dataclass(frozen=True, slots=True)
class Jury:
    """Members with their weights, of which a single one is left exactly as it is.

    Attributes:
        members: their names, the first the best single one.
        weights: positive, one per member.
        footings: one per member.
        nominal: (K,) whether a criterion has unordered labels; these are decided by weighted vote, and a tie by the
            first of the members that voted for a tied label.

    Raises:
        ValueError: there is no member, one is named twice, or the parts do not fit each other.
    """

    members: tuple[str, ...]
    weights: tuple[float, ...]
    footings: tuple[Footing, ...]
    nominal: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not self.members or len(set(self.members)) < len(self.members):
            raise ValueError(f"a jury needs one or more members of different names, not {self.members!r}")
        if not len(self.members) == len(self.weights) == len(self.footings):
            raise ValueError("a jury needs one weight and one footing for each member")
        if not all(math.isfinite(weight) and weight > 0 for weight in self.weights):
            raise ValueError(f"the weights of a jury must be positive numbers, not {self.weights!r}")
        if any(len(f.shift) != len(self.nominal) or len(f.scale) != len(self.nominal) for f in self.footings):
            raise ValueError("the footing of a member needs one shift and one scale for each criterion")

    @classmethod
    def of(cls, scores: Mapping[str, npt.ArrayLike], nominal: Sequence[bool], weights: Sequence[float] = ()) -> Jury:
        """A jury of all these members, with footings from their scores.

        Args:
            scores: member -> (n, K), NaN = unscored; the same rows for all.
            nominal: (K,) whether a criterion has unordered labels.
            weights: one per member; empty = equal.
        """
        judged = [matrix(member, "scores") for member in scores.values()]
        shares = tuple(weights) or (1.0,) * len(judged)
        return cls(tuple(scores), shares, common_footing(judged, shares, nominal), tuple(nominal))

    def combine(self, scores: Mapping[str, npt.ArrayLike]) -> Combined:
        """The jury's scores of n rows: the weighted mean (labels: vote) of the members that scored a row.

        Args:
            scores: member -> (n, K), NaN = unscored; others than the members are ignored.

        Raises:
            KeyError: a member has no scores.
            ValueError: shapes differ, or a score is infinite.
        """
        missing = [member for member in self.members if member not in scores]
        if missing:
            raise KeyError(f"no scores of the jury's members {', '.join(map(repr, missing))}")
        judged = [matrix(scores[member], "scores") for member in self.members]
        if any(member.shape != (len(judged[0]), len(self.nominal)) for member in judged):
            raise ValueError(f"the members need scores of the same rows on {len(self.nominal)} criteria")
        present = np.array([~np.isnan(member) for member in judged])
        return Combined(self._scores(judged, present), present.sum(axis=0).astype(np.intp))

    def _scores(self, judged: Sequence[Matrix], present: npt.NDArray[np.bool_]) -> Matrix:
        if len(judged) == 1:
            return judged[0].copy()
        weights = present * np.array(self.weights)[:, None, None]
        total = weights.sum(axis=0)
        level = np.array(
            [np.where(seen, f(m), 0.0) for f, m, seen in zip(self.footings, judged, present, strict=True)]
        )
        mean = np.divide((weights * level).sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
        combined: Matrix = np.round(mean, DIGITS)
        for k in np.flatnonzero(self.nominal):
            combined[:, k] = _vote(np.array([member[:, k] for member in judged]), np.array(self.weights))
        return combined


def common_footing(scores: Sequence[Matrix], weights: Sequence[float], nominal: Sequence[bool]) -> tuple[Footing, ...]:
    """The maps that give all members the same mean and spread: the weighted means of theirs.

    A member that answers a criterion always alike says nothing there and is put on the common mean; a single member,
    and labels, stay as they are.
    """
    n_criteria = len(nominal)
    if len(scores) == 1:
        return (Footing.own(n_criteria),)
    means, spreads = np.array([_moments(member) for member in scores]).transpose(1, 0, 2)
    shares = np.array(weights)[:, None] * ~np.isnan(means)
    total = np.maximum(shares.sum(axis=0), 1e-300)
    mean = (shares * np.nan_to_num(means)).sum(axis=0) / total
    spread = (shares * np.nan_to_num(spreads)).sum(axis=0) / total
    varies = spreads > 0
    scale = np.where(varies, spread / np.where(varies, spreads, 1.0), 0.0)
    shift = mean - scale * np.nan_to_num(means)
    scale[:, list(nominal)], shift[:, list(nominal)] = 1.0, 0.0
    return tuple(Footing(tuple(a.tolist()), tuple(b.tolist())) for a, b in zip(shift, scale, strict=True))


def _moments(scores: Matrix) -> tuple[Vector, Vector]:
    """Mean and standard deviation (K,) of the scored rows; NaN without any."""
    present = ~np.isnan(scores)
    count = present.sum(axis=0).astype(np.float64)
    count[count == 0] = np.nan
    mean = np.where(present, scores, 0.0).sum(axis=0) / count
    squares = np.where(present, np.square(scores - mean), 0.0).sum(axis=0) / count
    spread = np.sqrt(squares)
    constant = spread <= 1e-12 * np.maximum(1.0, np.abs(mean))
    return mean, np.where(constant, 0.0, spread)


def _vote(labels: Matrix, weights: Vector) -> Vector:
    """The label with most weight of each row, of the votes (M, n), NaN = none; a tie goes to the first member's."""
    known = np.unique(labels[~np.isnan(labels)])
    if not known.size:
        return np.full(labels.shape[1], np.nan)
    ballots = weights + TIE * weights.min() * 0.5 ** np.arange(len(weights))
    votes = np.array([((labels == label) * ballots[:, None]).sum(axis=0) for label in known])
    return np.where(votes.max(axis=0) > 0, known[votes.argmax(axis=0)], np.nan)
