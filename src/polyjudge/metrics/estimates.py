"""A value with its interval: the record of every estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass

# z(.975) + z(.80): a difference of so many standard errors is found with 80 % power by a two-sided test at 5 %.
STANDARD_ERRORS = 2.8


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval that contains the true value in a share `level` of all samples; NaN ends = not given."""

    low: float
    high: float
    level: float = 0.95

    @classmethod
    def unknown(cls, level: float = 0.95) -> Interval:
        """No interval: the data do not allow one."""
        return cls(math.nan, math.nan, level)

    @property
    def known(self) -> bool:
        """Whether the interval is given."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def above_zero(self) -> bool:
        """Whether all of it lies above 0; False if it is not given."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether all of it lies below 0; False if it is not given."""
        return self.high < 0

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside; False if it is not given."""
        return self.above_zero or self.below_zero


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic, or a difference of two, with its error.

    Attributes:
        value: on the data as they are; NaN = undefined.
        interval: NaN ends = not given: too few documents, or too many resamples without a value.
        standard_error: of the value; NaN if the interval is not given.
        n_clusters: documents (or rows) with a pair, on which the interval is based.
        n_resamples: the number of resamples.
        n_undefined: the number of resamples without a value.
        p_value: two-sided, of the value against 0: the level at which the interval would touch 0; NaN = not tested.
        degrees: degrees of freedom of the interval; NaN for a percentile interval.
        n_runs: the number of runs that the value is a mean of.
    """

    value: float
    interval: Interval
    standard_error: float
    n_clusters: int
    n_resamples: int = 0
    n_undefined: int = 0
    p_value: float = math.nan
    degrees: float = math.nan
    n_runs: int = 1

    @classmethod
    def undecided(
        cls, value: float, level: float, n_clusters: int, n_resamples: int = 0, n_undefined: int = 0
    ) -> Estimate:
        """A value without an interval."""
        return cls(value, Interval.unknown(level), math.nan, n_clusters, n_resamples, n_undefined)

    @property
    def low(self) -> float:
        return self.interval.low

    @property
    def high(self) -> float:
        return self.interval.high

    @property
    def level(self) -> float:
        return self.interval.level

    @property
    def detectable(self) -> float:
        """The smallest true difference that is found with 80 % power; NaN = unknown."""
        return STANDARD_ERRORS * self.standard_error


@dataclass(frozen=True, slots=True)
class Estimates:
    """One estimate for each of K criteria, in their order, and one for their unweighted mean.

    The mean is undefined in a resample where any criterion is. `n_pairs` (K,) counts the rows of each criterion that
    entered, `n_clusters` the documents (or rows) of the whole; those of the mean are those of the criterion that has
    fewest.
    """

    per_criterion: tuple[Estimate, ...]
    mean: Estimate
    n_pairs: tuple[int, ...]
    n_clusters: int
