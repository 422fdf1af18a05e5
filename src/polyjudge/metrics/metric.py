"""The `Metric` record, and the two decorators that make one of a function.

`@metric` takes a vectorised function of weighted pairs, which resamples fast. `@scalar_metric` takes a plain function
of two vectors; its resamples repeat rows, one call each. Both state the name, the direction, the range and the scales
once, and give a `Metric` that can be called, passed to any function of this package, or registered under the
entry-point group `polyjudge.metrics`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Kind, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs, Weighted

KINDS: frozenset[Kind] = frozenset(get_args(Kind))


class Range(NamedTuple):
    """The bounds of a metric, the bad end first."""

    worst: float
    best: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A statistic of agreement with its properties.

    Attributes:
        name: in settings, records and tables.
        weighted: the statistic of n > 0 complete pairs under counts (b, n), as (b,) values; NaN = undefined.
        higher_is_better: the direction.
        range: the bounds, the bad end first.
        needs_scale: whether it compares values, so that predictions must stand on the raters' scale.
        kinds: the scales on which it is defined.
        description: one sentence for tables and pages.
    """

    name: str
    weighted: Weighted
    higher_is_better: bool
    range: Range
    needs_scale: bool
    kinds: frozenset[Kind]
    description: str = ""

    def applies_to(self, levels: Levels | None) -> bool:
        """Whether it is defined on this scale; an unknown scale (None) counts as ordinal."""
        return ("ordinal" if levels is None else levels.kind) in self.kinds

    def is_better(self, new: float, than: float) -> bool:
        """Whether `new` is strictly better; NaN never wins, and any number is better than NaN."""
        if math.isnan(new):
            return False
        if math.isnan(than):
            return True
        return new > than if self.higher_is_better else new < than

    def __call__(self, predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
        """The statistic of two columns of the same rows, (n,) each, NaN = missing.

        A pair of which a side is missing is left out. NaN if no pair is left, if the statistic is undefined, or if it
        has no meaning on this kind of scale.

        Raises:
            ValueError: if the shapes differ, a value is infinite, or it needs `levels` and has none.
        """
        pairs = Pairs.of(predicted, human)
        if not len(pairs) or not self.applies_to(levels):
            return math.nan
        return float(self.weighted(pairs, np.ones((1, len(pairs))), levels)[0])


def metric(
    name: str = "",
    *,
    range: tuple[float, float],  # noqa: A002 (the field's word)
    kinds: Iterable[Kind] = KINDS,
    needs_scale: bool = False,
) -> Callable[[Weighted], Metric]:
    """Make a `Metric` of a vectorised function `(pairs, weights (b, n), levels) -> (b,)`.

    Args:
        name: default: the function's.
        range: the bounds, the bad end first; they also say which direction is better.
        kinds: the scales on which it has a meaning.
        needs_scale: whether predictions must stand on the raters' scale.

    Raises:
        ValueError: if both bounds are the same, or a kind of scale is unknown.
    """
    bounds, scales = Range(*range), frozenset(kinds)
    if not bounds.worst < bounds.best and not bounds.worst > bounds.best:
        raise ValueError(f"a metric needs two different bounds, the bad end first, not {tuple(range)!r}")
    if not scales or not scales <= KINDS:
        raise ValueError(f"the kinds of scales are {', '.join(sorted(KINDS))}, not {sorted(scales)!r}")

    def made(function: Weighted) -> Metric:
        label = name or getattr(function, "__name__", "")
        described = (inspect.getdoc(function) or "").partition("\n")[0]
        return Metric(label, function, bounds.best > bounds.worst, bounds, needs_scale, scales, described)

    return made


def scalar_metric(
    name: str = "",
    *,
    range: tuple[float, float],  # noqa: A002 (the field's word)
    kinds: Iterable[Kind] = KINDS,
    needs_scale: bool = False,
) -> Callable[[Callable[..., float]], Metric]:
    """Make a `Metric` of a plain function `(predicted, human) -> float`, or `(predicted, human, levels) -> float`.

    Both vectors have the shape (n,), n > 0, and no NaN; the function returns NaN where it is undefined. Resamples
    repeat rows and call it once each. The arguments are those of `metric`.

    Raises:
        ValueError: as `metric`, or if the function takes neither two nor three arguments.
    """
    decorate = metric(name, range=range, kinds=kinds, needs_scale=needs_scale)

    def made(function: Callable[..., float]) -> Metric:
        wanted = len(inspect.signature(function).parameters)
        if wanted not in (2, 3):
            raise ValueError(f"a scalar metric takes (predicted, human) or (predicted, human, levels), not {wanted}")

        def weighted(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
            known = (levels,) if wanted == 3 else ()
            return np.array([_of_repeated_rows(function, pairs, counts, known) for counts in weights])

        weighted.__name__, weighted.__doc__ = getattr(function, "__name__", ""), inspect.getdoc(function)
        return decorate(weighted)

    return made


def _of_repeated_rows(
    function: Callable[..., float], pairs: Pairs, counts: Vector, known: tuple[Levels | None, ...]
) -> float:
    rows = np.repeat(np.arange(len(pairs)), counts.astype(np.intp))
    return float(function(pairs.predicted[rows], pairs.human[rows], *known)) if rows.size else math.nan
