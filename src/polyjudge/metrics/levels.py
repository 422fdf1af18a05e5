"""What a metric has to know of a scale: its labels, and which of them lies nearest to a value.

Metrics stand beside the domain and do not see its scales, so that they can be used on any two columns of
numbers. `Levels` is the part of a scale that changes a statistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

Kind = Literal["ordinal", "float", "binary", "categorical"]

# Steps such as 0.1 have no exact binary form: a value this close to a boundary, in steps, lies on it.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Levels:
    """The labels of one criterion.

    `low`, `low + step`, ..., `high` for an ordinal scale; `step=None` for a continuous one. Categorical labels
    are coded 0, 1, ..., m - 1 and marked `nominal`, because their order means nothing (`Levels.categorical`).

    Raises:
        ValueError: if the bounds are not finite or not increasing, or the step does not divide the range.
    """

    low: float
    high: float
    step: float | None = 1.0
    nominal: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a scale needs finite bounds with low < high, not {self.low!r} and {self.high!r}")
        if self.step is not None:
            if not (math.isfinite(self.step) and self.step > 0):
                raise ValueError(f"the step of a scale must be a positive number or None, not {self.step!r}")
            steps = (self.high - self.low) / self.step
            if abs(steps - round(steps)) > 1e-6:
                raise ValueError(f"step {self.step!r} does not divide the range {self.low!r} to {self.high!r}")
        if self.nominal and (self.low != 0 or self.step != 1):
            raise ValueError("categorical labels are coded 0, 1, ..., m - 1; use Levels.categorical(m)")

    @classmethod
    def categorical(cls, count: int) -> Levels:
        """The levels of `count` unordered labels, coded 0 to `count - 1`."""
        return cls(0.0, float(count - 1), 1.0, nominal=True)

    @property
    def count(self) -> int | None:
        """How many labels there are; None for a continuous scale."""
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    @property
    def kind(self) -> Kind:
        """Which kind of scale it is; a categorical scale of two labels is `binary`."""
        if self.nominal:
            return "binary" if self.count == 2 else "categorical"
        return "float" if self.step is None else "ordinal"

    def values(self) -> Vector:
        """The labels as numbers, shape (m,), lowest first.

        Raises:
            ValueError: on a continuous scale, which has no labels.
        """
        if self.step is None or self.count is None:
            raise ValueError("a continuous scale has no labels")
        return self.low + self.step * np.arange(self.count, dtype=np.float64)

    def nearest(self, values: Vector) -> Indices:
        """The index of the label nearest to each value: (n,) -> (n,) of 0..m-1.

        Halfway rounds up (3.5 becomes 4), whatever the parity; a value off the scale takes the label at its end.
        `values` must hold no NaN.

        Raises:
            ValueError: on a continuous scale, which has no labels.
        """
        if self.step is None or self.count is None:
            raise ValueError("a continuous scale has no nearest label")
        steps = np.floor((values - self.low) / self.step + 0.5 + TOLERANCE)
        return np.clip(steps, 0, self.count - 1).astype(np.intp)
