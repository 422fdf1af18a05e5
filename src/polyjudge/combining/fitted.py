"""A jury with what was fitted upon it: chosen and fitted on some rows, applied to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.combining.calibration import Calibration, MonotoneMap, calibrate, calibrated
from polyjudge.combining.jury import Combined, Jury
from polyjudge.combining.objective import Metrics
from polyjudge.combining.ridge import Ridge, RidgeChoice, choose_ridge
from polyjudge.combining.selection import JuryChoice, select_jury
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import Rated, RatedRows


@dataclass(frozen=True, slots=True)
class FittedJury:
    """One judge made of several.

    Attributes:
        jury: the members and their common footing.
        maps: (K,) the calibration of each criterion; None = scores as they are.
        ridge: replaces jury and calibration on criteria with an order; None = it does not.
    """

    jury: Jury
    maps: tuple[MonotoneMap | None, ...]
    ridge: Ridge | None = None

    @property
    def members(self) -> tuple[str, ...]:
        return self.jury.members

    def combine(self, scores: Mapping[str, npt.ArrayLike]) -> Combined:
        """The scores of n rows; raises as ``Jury.combine``."""
        plain = self.jury.combine(scores)
        mapped = calibrated(self.maps, plain.scores)
        if self.ridge is not None:
            predicted = self.ridge.predict(scores)
            mapped = np.where(np.isnan(predicted), mapped, predicted)
        return Combined(mapped, plain.n_members)


@dataclass(frozen=True, slots=True)
class JuryFit:
    """Everything that was chosen and fitted on some rows.

    Attributes:
        choice: the jury by forward selection.
        calibration: of its scores.
        ridge: whether a ridge over its members is better.
    """

    choice: JuryChoice
    calibration: Calibration
    ridge: RidgeChoice

    @property
    def final(self) -> FittedJury:
        """The jury with its calibration, and the ridge where it was picked."""
        return FittedJury(self.choice.jury, self.calibration.maps, self.ridge.ridge)

    def rungs(self, scores: Mapping[str, npt.ArrayLike]) -> dict[str, Matrix]:
        """The scores (n, K) of rows at each rung: "single", "jury", "calibrated", and "ridge" where it was picked."""
        jury = self.choice.jury
        alone = Jury.of({jury.members[0]: scores[jury.members[0]]}, jury.nominal)
        rungs = {"single": alone.combine(scores).scores, "jury": jury.combine(scores).scores}
        rungs["calibrated"] = self.calibration(rungs["jury"])
        if self.ridge.ridge is not None:
            rungs["ridge"] = self.final.combine(scores).scores
        return rungs


def fit_jury(
    candidates: Mapping[str, npt.ArrayLike],
    rows: Rated,
    metrics: Metrics,
    *,
    most: int = 4,
    costs: Mapping[str, float] | None = None,
    seed: int = 0,
) -> JuryFit:
    """Choose a jury, calibrate it, and see whether a ridge is better, all on the same rows.

    Args:
        candidates: name -> scores (n, K) or (n,), NaN = unscored.
        rows: the human ratings of the same n rows.
        metrics: by which agreement is measured.
        most: members, 1 or more.
        costs: name -> cost of a member; default 1.
        seed: of the folds.

    Raises:
        ValueError: as ``select_jury`` and ``calibrate``.
    """
    rated = RatedRows.of(rows)
    choice = select_jury(candidates, rated, metrics, most=most, costs=costs)
    calibration = calibrate(choice.jury.combine(candidates).scores, rated, seed=seed)
    return JuryFit(choice, calibration, choose_ridge(choice.jury, candidates, rated, metrics, seed=seed))
