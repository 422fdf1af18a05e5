"""Agreement of a judge with human ratings: ten statistics, each with its direction and range, and `primary`.

Every function takes two columns of the same rows, `predicted` and `human`, of shape (n,), where NaN is missing. A
pair of which a side is missing is left out. What is undefined is NaN, never 0: any statistic of no pairs, a
correlation or a kappa of fewer than two pairs, a correlation with a constant, a kappa where chance alone always
agrees. Correlations, errors and off-by-one use the values as they are; kappa, accuracy and macro-F1 use the nearest
label, halfway rounding up, because raters' means and expected scores fall between labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy.typing as npt

from polyjudge.errors import ConfigError
from polyjudge.metrics import labels as _labels
from polyjudge.metrics import ranks as _ranks
from polyjudge.metrics import values as _values
from polyjudge.metrics.levels import Kind, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs, Weighted, evaluate


def spearman(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Spearman's rank correlation with mid-ranks for ties, -1 to 1; NaN if a side is constant."""
    return evaluate(_ranks.spearman, predicted, human, levels)


def kendall(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Kendall's tau-b, -1 to 1; NaN if a side is constant (Kendall 1945).

    O(n k^2) when a side has k distinct values, few against n; O(n^2) when both are continuous.
    """
    return evaluate(_ranks.kendall, predicted, human, levels)


def pearson(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Pearson's product-moment correlation, -1 to 1; NaN if a side is constant."""
    return evaluate(_values.pearson, predicted, human, levels)


def qwk(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Quadratic-weighted kappa of the nearest labels, -1 to 1 (Cohen 1968).

    A constant against ratings that vary has 0; NaN if both sides are one and the same label.

    Raises:
        ValueError: if `levels` is missing or continuous.
    """
    return evaluate(_labels.qwk, predicted, human, levels)


def kappa(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Cohen's unweighted kappa of the nearest labels, -1 to 1; NaN if chance always agrees (Cohen 1960).

    Raises:
        ValueError: if `levels` is missing or continuous.
    """
    return evaluate(_labels.kappa, predicted, human, levels)


def mae(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Mean absolute error in units of the scale; 0 is best."""
    return evaluate(_values.mae, predicted, human, levels)


def rmse(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Root mean squared error in units of the scale; 0 is best."""
    return evaluate(_values.rmse, predicted, human, levels)


def off_by_one(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Share of pairs at most one step apart, 0 to 1. A constant often scores high: see `constant_floor`.

    Raises:
        ValueError: if `levels` is missing or continuous.
    """
    return evaluate(_values.off_by_one, predicted, human, levels)


def accuracy(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Share of pairs with the same nearest label, 0 to 1.

    Raises:
        ValueError: if `levels` is missing or continuous.
    """
    return evaluate(_labels.accuracy, predicted, human, levels)


def macro_f1(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """F1 of each nearest label, averaged over the labels that occur on either side, 0 to 1.

    Raises:
        ValueError: if `levels` is missing or continuous.
    """
    return evaluate(_labels.macro_f1, predicted, human, levels)


def primary(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Cohen's `kappa` on categorical levels, `spearman` on others, -1 to 1: one name for criteria of both kinds.

    A mean over such criteria is of two statistics, and compares with its like only.
    """
    return evaluate(_primary_weighted, predicted, human, levels)


def _primary_weighted(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    own = _labels.kappa if levels is not None and levels.nominal else _ranks.spearman
    return own(pairs, weights, levels)


class Range(NamedTuple):
    """The bounds of a metric, the bad end first."""

    worst: float
    best: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A statistic of agreement, with what a gate or a table has to know of it.

    `function(predicted, human, levels)` takes complete pairs of shape (n,), n > 0, and returns a float, NaN where
    undefined. `weighted` is the same for many resamples at once (`pairs.Weighted`); without it, resampling calls
    `function` once for each. `needs_scale` says that it compares values, so that predictions must stand on the
    raters' scale. `kinds` are the scales it has a meaning for.
    """

    name: str
    function: Callable[[Vector, Vector, Levels | None], float]
    higher_is_better: bool
    range: Range
    needs_scale: bool
    kinds: frozenset[Kind]
    weighted: Weighted | None = None

    def applies_to(self, levels: Levels | None) -> bool:
        """Whether it has a meaning on this scale; an unknown scale (None) is taken as ordinal."""
        return ("ordinal" if levels is None else levels.kind) in self.kinds

    def is_better(self, new: float, than: float) -> bool:
        """Whether `new` is strictly better; NaN never wins, and any number is better than NaN."""
        if math.isnan(new):
            return False
        if math.isnan(than):
            return True
        return new > than if self.higher_is_better else new < than

    def __call__(self, predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
        """The statistic of the complete pairs of two columns (n,).

        NaN if there is none, if it is undefined, or if it has no meaning on this kind of scale.

        Raises:
            ValueError: if the shapes differ, a value is infinite, or it needs `levels` and has none.
        """
        pairs = Pairs.of(predicted, human)
        if not len(pairs) or not self.applies_to(levels):
            return float("nan")
        return float(self.function(pairs.predicted, pairs.human, levels))


_ORDERED: frozenset[Kind] = frozenset({"ordinal", "float", "binary"})
_LABELS: frozenset[Kind] = frozenset({"ordinal", "binary", "categorical"})
_CORRELATION = Range(-1.0, 1.0)
_SHARE = Range(0.0, 1.0)
_ERROR = Range(math.inf, 0.0)

SPEARMAN = Metric("spearman", spearman, True, _CORRELATION, False, _ORDERED, _ranks.spearman)
KENDALL = Metric("kendall", kendall, True, _CORRELATION, False, _ORDERED, _ranks.kendall)
PEARSON = Metric("pearson", pearson, True, _CORRELATION, False, _ORDERED, _values.pearson)
QWK = Metric("qwk", qwk, True, _CORRELATION, True, frozenset({"ordinal", "binary"}), _labels.qwk)
KAPPA = Metric("kappa", kappa, True, _CORRELATION, True, _LABELS, _labels.kappa)
MAE = Metric("mae", mae, False, _ERROR, True, frozenset({"ordinal", "float"}), _values.mae)
RMSE = Metric("rmse", rmse, False, _ERROR, True, frozenset({"ordinal", "float"}), _values.rmse)
OFF_BY_ONE = Metric("off_by_one", off_by_one, True, _SHARE, True, frozenset({"ordinal"}), _values.off_by_one)
ACCURACY = Metric("accuracy", accuracy, True, _SHARE, True, _LABELS, _labels.accuracy)
MACRO_F1 = Metric("macro_f1", macro_f1, True, _SHARE, True, _LABELS, _labels.macro_f1)

PRIMARY = Metric("primary", primary, True, _CORRELATION, True, _ORDERED | _LABELS, _primary_weighted)

_ALL = (SPEARMAN, KENDALL, PEARSON, QWK, KAPPA, MAE, RMSE, OFF_BY_ONE, ACCURACY, MACRO_F1, PRIMARY)
METRICS: Mapping[str, Metric] = MappingProxyType({each.name: each for each in _ALL})


def names() -> tuple[str, ...]:
    """The names of the built-in metrics."""
    return tuple(METRICS)


def metric(name: str) -> Metric:
    """The built-in metric of this name.

    Raises:
        ConfigError: if there is none; the message lists the names.
    """
    found = METRICS.get(name)
    if found is None:
        raise ConfigError(f"unknown metric {name!r}; choose one of: {', '.join(METRICS)}")
    return found
