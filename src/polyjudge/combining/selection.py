"""Forward selection of a jury on validation rows.

The best single judge comes first; then, as long as the agreement of the jury rises, the judge that raises it most (on
criteria with labels, which are decided by vote, also a pair).
Averaging everything that was measured can hurt where one judge is much better than the others; on eight recorded data
sets forward selection never did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from polyjudge.combining.jury import Jury
from polyjudge.combining.objective import Metrics, Objective, Value
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import Rated, RatedRows, matrix

Names = tuple[str, ...]

# A judge whose coverage is lower than the best by more than this on a criterion may join a jury, not found one: its
# agreement was measured on other rows.
COVERAGE_SLACK = 0.02
# Pairs are tried among this many of the best single judges.
MOST_IN_PAIRS = 20


@dataclass(frozen=True, slots=True)
class Addition:
    """One step: the member that entered, or a pair, the agreement that the jury reached, and what they cost."""

    members: tuple[str, ...]
    value: float
    cost: float = 1.0


@dataclass(frozen=True, slots=True)
class JuryChoice:
    """A jury chosen on validation rows.

    The agreements are those that the choice was made by, and therefore too good; measure the jury on other rows.

    Attributes:
        jury: its members in the order of their entrance, equally weighted; `jury.combine` applies it to other rows.
        value: its mean agreement over the criteria, on the rows that its first member scored; NaN = undefined.
        history: the additions, the best single judge first. The values rise (for errors: fall) strictly.
        alone: every candidate's own mean agreement on the rows that it scored; NaN = undefined.
    """

    jury: Jury
    value: float
    history: tuple[Addition, ...]
    alone: Mapping[str, float]

    @property
    def members(self) -> tuple[str, ...]:
        return self.jury.members

    @property
    def weights(self) -> tuple[float, ...]:
        return self.jury.weights

    @property
    def cost(self) -> float:
        """The sum of the members' costs."""
        return sum(addition.cost for addition in self.history)


def select_jury(
    candidates: Mapping[str, npt.ArrayLike],
    rows: Rated,
    metrics: Metrics,
    *,
    most: int = 4,
    costs: Mapping[str, float] | None = None,
    least_gain: float = 0.0,
) -> JuryChoice:
    """Choose a jury by forward selection.

    The result does not depend on the order of the candidates: of equally good ones the cheaper enters, then the first
    by name. A jury is measured on the rows that its first member scored, so that no member enters by leaving hard
    rows out.

    Args:
        candidates: name -> scores (n, K) or (n,), NaN = unscored.
        rows: the human ratings of the same n rows.
        metrics: by which agreement is measured, one for all or (K,); the mean over the criteria decides.
        most: members, 1 or more.
        costs: name -> cost of a member, such as its calls per row; default 1.
        least_gain: by how much agreement has to rise for a further member.

    Raises:
        ValueError: no candidate has a defined agreement, shapes differ, or `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"a jury needs at least one member, not {most!r}")
    objective = Objective.of(RatedRows.of(rows), metrics)
    pool = {name: matrix(scores, f"the scores of {name!r}") for name, scores in sorted(candidates.items())}
    shape = objective.rows.human.shape
    wrong = [name for name, scores in pool.items() if scores.shape != shape]
    if wrong:
        raise ValueError(f"the scores of {wrong[0]!r} have the shape {pool[wrong[0]].shape!r}, not {shape!r}")
    price = {name: 1.0 if costs is None else costs.get(name, 1.0) for name in pool}
    return _Selection(objective, pool, price).grow(most, least_gain)


@dataclass(frozen=True, slots=True)
class _Selection:
    objective: Objective
    pool: Mapping[str, Matrix]
    price: Mapping[str, float]

    def grow(self, most: int, least_gain: float) -> JuryChoice:
        alone = {name: self.objective.value(scores) for name, scores in self.pool.items()}
        first = self._best({(name,): alone[name] for name in self._founders()})
        value = alone[first[0]]
        if not value.defined:
            raise ValueError("no candidate has a defined agreement; its scores or the ratings are missing or constant")
        scored = ~np.isnan(self.pool[first[0]])
        members, history = first, [Addition(first, value.mean, self._cost(first))]
        ranked = sorted(self.pool, key=lambda name: (alone[name].defined, alone[name].utility), reverse=True)
        # A vote of two is that of the first: where labels are decided, a single addition may say nothing.
        sizes = (1, 2) if any(self._nominal) else (1,)
        while grown := self._step(
            members, value, scored, ranked, least_gain, [n for n in sizes if len(members) + n <= most]
        ):
            added, value = grown
            members = (*members, *added)
            history.append(Addition(added, value.mean, self._cost(added)))
        jury = Jury.of({name: self.pool[name] for name in members}, self._nominal)
        return JuryChoice(jury, value.mean, tuple(history), {name: found.mean for name, found in alone.items()})

    def _step(
        self,
        members: Names,
        value: Value,
        scored: npt.NDArray[np.bool_],
        ranked: Sequence[str],
        least_gain: float,
        sizes: Sequence[int],
    ) -> tuple[Names, Value] | None:
        """The best addition of the smallest size that raises the agreement; None if none does."""
        higher = Value(value.defined, value.mean, value.utility + least_gain)
        left = [name for name in ranked if name not in members]
        for size in sizes:
            tried = combinations(left if size == 1 else sorted(left[:MOST_IN_PAIRS]), size)
            values = {
                added: self.objective.value(np.where(scored, self._scores((*members, *added)), np.nan))
                for added in tried
            }
            if values and values[best := self._best(values)] > higher:
                return best, values[best]
        return None

    @property
    def _nominal(self) -> tuple[bool, ...]:
        return tuple(levels is not None and levels.nominal for levels in self.objective.rows.levels)

    def _scores(self, members: Names) -> Matrix:
        scores = {name: self.pool[name] for name in members}
        return Jury.of(scores, self._nominal).combine(scores).scores

    def _founders(self) -> list[str]:
        """The candidates that leave hardly more rows unscored than the most complete one."""
        coverage = {name: self.objective.coverage(scores).min() for name, scores in self.pool.items()}
        least = max(coverage.values(), default=0.0) - COVERAGE_SLACK
        return [name for name, share in coverage.items() if share >= least]

    def _cost(self, members: Names) -> float:
        return sum(self.price[name] for name in members)

    def _best(self, values: Mapping[Names, Value]) -> Names:
        """The addition of the best value; of equals the cheaper, then the first by name."""
        if not values:
            raise ValueError("a jury needs at least one candidate")
        top = max(values.values())
        equals = [names for names, value in values.items() if not value < top]
        return min(equals, key=lambda names: (self._cost(names), names))
