"""The contract of every metric: range and direction, missing values, and equal results of its two forms."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from polyjudge.metrics.levels import Levels, Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.pairs import Pairs

SCALES = {
    "ordinal": Levels(1, 5),
    "float": Levels(0, 1, None),
    "binary": Levels.categorical(2),
    "categorical": Levels.categorical(4),
}
ROUNDS = 25


class MetricContract:
    """Inherit from it and set ``metric``."""

    metric: Metric

    def test_its_range_has_the_better_end_where_its_direction_says(self) -> None:
        worst, best = self.metric.range
        assert (best > worst) == self.metric.higher_is_better, f"{self.metric.name}: range {self.metric.range}"

    def test_perfect_agreement_has_the_best_value(self) -> None:
        for levels, _, human in self._columns():
            value = self.metric(human, human, levels)
            assert math.isnan(value) or math.isclose(value, self.metric.range.best, abs_tol=1e-9)

    def test_a_value_lies_in_the_range_or_is_nan(self) -> None:
        low, high = sorted(self.metric.range)
        values = [self.metric(predicted, human, levels) for levels, predicted, human in self._columns()]
        assert all(math.isnan(value) or low - 1e-9 <= value <= high + 1e-9 for value in values)
        assert any(not math.isnan(value) for value in values), f"{self.metric.name} is undefined on every sample"

    def test_nothing_to_compare_is_nan(self) -> None:
        nothing = [math.nan, math.nan]
        for levels in self._scales():
            assert math.isnan(self.metric([], [], levels))
            assert math.isnan(self.metric(nothing, [levels.low, levels.high], levels))
            assert math.isnan(self.metric([levels.low, levels.high], nothing, levels))

    def test_a_missing_value_leaves_its_row_out(self) -> None:
        for levels, predicted, human in self._columns():
            value = self.metric(predicted, human, levels)
            unscored = self.metric([*predicted, math.nan], [*human, levels.low], levels)
            unrated = self.metric([*predicted, levels.low], [*human, math.nan], levels)
            assert _same(value, unscored)
            assert _same(value, unrated)

    def test_the_order_of_the_rows_means_nothing(self) -> None:
        for levels, predicted, human in self._columns():
            turned = self.metric(predicted[::-1], human[::-1], levels)
            assert _same(self.metric(predicted, human, levels), turned)

    def test_a_scale_without_meaning_gives_nan(self) -> None:
        for kind, levels in SCALES.items():
            if kind not in self.metric.kinds:
                assert math.isnan(self.metric(levels.low + np.zeros(3), levels.low + np.zeros(3), levels))

    def test_better_is_strict_and_nan_never_wins(self) -> None:
        best = self.metric.range.best
        worse = best - 0.5 if self.metric.higher_is_better else best + 0.5
        assert self.metric.is_better(best, worse)
        assert not self.metric.is_better(worse, best)
        assert not self.metric.is_better(best, best)
        assert self.metric.is_better(worse, math.nan)
        assert not self.metric.is_better(math.nan, worse)
        assert not self.metric.is_better(math.nan, math.nan)

    def test_counted_rows_equal_repeated_rows(self) -> None:
        chance = Random("counts")
        for levels, predicted, human in self._columns():
            counts = [chance.randrange(4) for _ in predicted]
            repeated = self.metric(np.repeat(predicted, counts), np.repeat(human, counts), levels)
            weights = np.array([counts], dtype=np.float64)
            counted = self.metric.weighted(Pairs.of(predicted, human), weights, levels)
            assert counted.shape == (1,)
            assert _same(float(counted[0]), repeated)

    def _scales(self) -> list[Levels]:
        return [levels for levels in SCALES.values() if self.metric.applies_to(levels)]

    def _columns(self) -> list[tuple[Levels, Vector, Vector]]:
        """Scales with random columns: small ones too, with ties and constants among them."""
        chance = Random("columns")
        return [
            (levels, _drawn(chance, levels, rows), _drawn(chance, levels, rows))
            for levels in self._scales()
            for rows in (chance.randrange(1, 12) for _ in range(ROUNDS))
        ]


def _drawn(chance: Random, levels: Levels, rows: int) -> Vector:
    if levels.count is None:
        return np.array([round(chance.uniform(levels.low, levels.high), 2) for _ in range(rows)])
    return np.array([chance.choice(levels.values()) for _ in range(rows)])


def _same(left: float, right: float) -> bool:
    return math.isclose(left, right, abs_tol=1e-9) or (math.isnan(left) and math.isnan(right))
