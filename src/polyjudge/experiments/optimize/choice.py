"""What layout ``auto`` measured and chose, as records and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from polyjudge.counting import many_of
from polyjudge.experiments.costs import cost_text


@dataclass(frozen=True, slots=True)
class Weighed:
    """One layout as it did on the validation rows; calls and tokens are means a row.

    Attributes:
        layout: its name.
        agreement: the mean over the criteria by the primary metric; nan = undefined on one of them.
        coverage: the share of the rated rows that got a score.
        calls: answers needed.
        prompt: tokens of the prompts, cached ones included.
        cached: those of them that the provider served from its prefix cache.
        completion: tokens written.
        estimated: whether the provider did not tell all tokens, so that characters were counted.
        cost: USD; None where there is no price.
    """

    layout: str
    agreement: float
    coverage: float
    calls: float
    prompt: float
    cached: float
    completion: float
    estimated: bool
    cost: float | None = None

    @property
    def tokens(self) -> float:
        """Tokens that are worked on anew, a row."""
        return self.prompt - self.cached + self.completion

    def price(self) -> str:
        """``312 tokens (90 more cached)``."""
        cached = f" ({self.cached:.0f} more cached)" if self.cached else ""
        cost = "" if self.cost is None else f", {cost_text(self.cost)}"
        return f"{self.tokens:.0f} tokens{cached}{cost}"


@dataclass(frozen=True, slots=True)
class Gap:
    """How much a layout is worse than the best: best minus it, with its 95 % interval; nan = undecided."""

    value: float
    low: float
    high: float

    @property
    def credible(self) -> bool:
        return self.low > 0


@dataclass(frozen=True, slots=True)
class Rival:
    """A layout against the best by agreement and the best by coverage.

    Attributes:
        layout: its name.
        agreement: how much less it agrees.
        coverage: how much less it scores.
        worse: whether it is credibly worse in one of them.
    """

    layout: str
    agreement: Gap
    coverage: Gap
    worse: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``auto`` chose, and by what.

    Attributes:
        layout: the chosen one.
        reason: one sentence.
        metric: the primary one.
        rows: validation rows.
        documents: units of the intervals among them; 0 when the rows are the units.
        unit: what these are called.
        weighed: every layout, cheapest first.
        rivals: the same, against the best.
    """

    layout: str
    reason: str
    metric: str
    rows: int
    documents: int
    unit: str
    weighed: tuple[Weighed, ...]
    rivals: tuple[Rival, ...]

    def lineage(self) -> Choice:
        """The same without money, which a replay may count otherwise."""
        return replace(self, weighed=tuple(replace(one, cost=None) for one in self.weighed))

    def lines(self) -> list[str]:
        """The decision, and what each layout reached and takes."""
        return [
            f"layout {self.layout}, by {self.counted()}: {self.reason}",
            *(
                f"  {one.layout}: mean {self.metric} {_figure(one.agreement)}, {one.coverage:.0%} scored, "
                f"{one.price()} a row"
                for one in self.weighed
            ),
        ]

    def counted(self) -> str:
        """``50 validation rows of 10 documents``."""
        return many_of(self.rows, "validation rows", self.documents, self.unit)

    def cells(self) -> list[tuple[str, ...]]:
        """A table of the layouts, as ``COLUMNS`` names its columns."""
        return [
            (
                one.layout,
                _figure(one.agreement),
                _interval(rival.agreement),
                f"{one.coverage:.0%}",
                _interval(rival.coverage),
                f"{one.calls:.1f}",
                f"{one.prompt:.0f}",
                f"{one.cached:.0f}",
                f"{one.completion:.0f}" + (" (estimated)" if one.estimated else ""),
                "" if one.cost is None else cost_text(one.cost),
            )
            for one, rival in zip(self.weighed, self.rivals, strict=True)
        ]


COLUMNS = (
    *("layout", "agreement", "less than the best", "scored", "less than most", "calls", "prompt tokens", "cached"),
    *("completion", "cost"),
)


def _figure(value: float) -> str:
    # What rounds to 0 has no sign.
    return "undefined" if math.isnan(value) else f"{value:z.3f}"


def _interval(gap: Gap) -> str:
    bounds = "undecided" if math.isnan(gap.low) else f"{gap.low:+z.3f} to {gap.high:+z.3f}"
    return f"{_figure(gap.value)} ({bounds})"
