"""The gate: may a candidate prompt replace the current one, by what was measured on the validation rows?

A missing figure is nan and cannot win. A candidate that scores fewer rows cannot win by them either: its coverage
may not fall by more than ``COVERAGE_SLACK`` on any criterion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from polyjudge.domain.records import Measured

COVERAGE_SLACK = 0.02


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer and its reason in words."""

    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class MeanGate:
    """Accept by the unweighted mean of a metric over the criteria.

    Attributes:
        metric: its name.
        higher_is_better: its direction.
        strict: whether a tie is refused (``sound``) or accepted (the paper's protocol).
    """

    metric: str
    higher_is_better: bool
    strict: bool = True

    def decide(self, new: Measured, current: Measured) -> Decision:
        """Whether ``new`` may replace ``current``."""
        lost = [
            name for name, share in new.coverage.items() if share < current.coverage.get(name, 0.0) - COVERAGE_SLACK
        ]
        if lost:
            return Decision(False, f"it leaves more rows unscored on {', '.join(lost)}")
        if math.isnan(new.mean):
            undefined = [name for name, value in new.values.items() if math.isnan(value)]
            return Decision(False, f"{self.metric} is undefined on {', '.join(undefined)}")
        figures = f"mean {self.metric} {current.mean:.4f} -> {new.mean:.4f}"
        if math.isnan(current.mean):
            return Decision(True, figures)
        gain = new.mean - current.mean if self.higher_is_better else current.mean - new.mean
        if gain > 0 or (gain == 0 and not self.strict):
            return Decision(True, figures)
        return Decision(False, f"{figures}: not better" if self.strict else f"{figures}: worse")

    def best(self, measured: list[Measured]) -> int:
        """The position of the best of several; the first of equals, an undefined one only when all are."""

        def worth(one: Measured) -> float:
            if math.isnan(one.mean):
                return -math.inf
            return one.mean if self.higher_is_better else -one.mean

        return max(range(len(measured)), key=lambda position: (worth(measured[position]), -position))
