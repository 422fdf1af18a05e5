"""The scales of criteria.

Every score inside polyjudge is a float: the number itself on an ordinal or continuous scale, the label's position
(0, 1, ...) on a categorical one. ``nan`` is a missing rating or an unscored criterion, never a value.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Ordinal:
    """The numbers ``low, low + step, ..., high``; fractional means of several raters may lie between them.

    They are whole, or with a fractional step such as 0.5 half points.
    """

    low: int | float
    high: int | float
    step: int | float = 1

    kind = "ordinal"

    def __post_init__(self) -> None:
        usable = all(map(math.isfinite, (self.low, self.high, self.step))) and self.step > 0 and self.high > self.low
        if not usable or not _is_whole((self.high - self.low) / self.step):
            raise ValueError(
                f"an ordinal scale needs low < high and a step that divides the span, not "
                f"low={self.low}, high={self.high}, step={self.step}"
            )

    @property
    def levels(self) -> tuple[float, ...]:
        steps = round((self.high - self.low) / self.step)
        return tuple(round(float(self.low + self.step * index), _DIGITS) for index in range(steps + 1))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(str(int(level)) if level.is_integer() else repr(level) for level in self.levels)

    def allows(self, value: float) -> bool:
        """Whether a judge may answer this value."""
        return self.low <= value <= self.high and _is_whole((value - self.low) / self.step)

    def allows_rating(self, value: float) -> bool:
        """Whether a person's rating (perhaps a mean) may be this value."""
        return self.low <= value <= self.high

    def describe(self) -> str:
        return f"{self.low}..{self.high}" + (f" by {self.step}" if self.step != 1 else "")

    def combine(self, ratings: Iterable[float]) -> float:
        """The mean of the present ratings; nan when there is none."""
        return _mean(ratings)


@dataclass(frozen=True, slots=True)
class Continuous:
    """Any number between ``low`` and ``high``."""

    low: float
    high: float

    kind = "float"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a continuous scale needs finite low < high, not {self.low}, {self.high}")

    @property
    def levels(self) -> tuple[float, ...]:
        return ()

    @property
    def labels(self) -> tuple[str, ...]:
        return ()

    def allows(self, value: float) -> bool:
        return self.low <= value <= self.high

    def allows_rating(self, value: float) -> bool:
        return self.allows(value)

    def describe(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def combine(self, ratings: Iterable[float]) -> float:
        """The mean of the present ratings; nan when there is none."""
        return _mean(ratings)


@dataclass(frozen=True, slots=True)
class Categorical:
    """Two or more labels without order; a rating is the label's position."""

    names: tuple[str, ...]

    kind = "categorical"

    def __post_init__(self) -> None:
        folded = [name.strip().casefold() for name in self.names]
        if len(folded) < 2 or len(set(folded)) != len(folded) or "" in folded:
            raise ValueError(f"a categorical scale needs two or more different labels, not {list(self.names)!r}")

    @property
    def levels(self) -> tuple[float, ...]:
        return tuple(float(position) for position in range(len(self.names)))

    @property
    def labels(self) -> tuple[str, ...]:
        return self.names

    def allows(self, value: float) -> bool:
        return value in self.levels

    def allows_rating(self, value: float) -> bool:
        return self.allows(value)

    def describe(self) -> str:
        return " | ".join(self.names)

    def combine(self, ratings: Iterable[float]) -> float:
        """The label most raters chose; nan when there is none or the vote is tied."""
        votes = Counter(rating for rating in ratings if not math.isnan(rating)).most_common(2)
        if not votes or (len(votes) == 2 and votes[0][1] == votes[1][1]):
            return NAN
        return votes[0][0]

    def position(self, label: str) -> float | None:
        """The position of a label, compared without case and outer blanks; None when unknown."""
        folded = label.strip().casefold()
        for index, name in enumerate(self.names):
            if name.strip().casefold() == folded:
                return float(index)
        return None


Scale = Ordinal | Continuous | Categorical

# Levels are equal to so many digits.
_DIGITS = 9


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-9


def _mean(ratings: Iterable[float]) -> float:
    present = [rating for rating in ratings if not math.isnan(rating)]
    return math.fsum(present) / len(present) if present else NAN


def show(scale: Scale, value: float) -> str:
    """A score as text: the label on a categorical scale, "" when unscored."""
    if math.isnan(value):
        return ""
    if isinstance(scale, Categorical):
        return scale.names[int(value)]
    return f"{value:.6g}"
