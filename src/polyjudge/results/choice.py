"""What the stage ``configure`` measured and chose, as records and in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from polyjudge.formatting.text import interval, many_of, number, percent
from polyjudge.results.money import cost_text
from polyjudge.results.outcome import metric_label


@dataclass(frozen=True, slots=True)
class Weighed:
    """One configuration of the judge as it did on the validation rows; calls and tokens are means a row.

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
        scoring: the name of the scoring method; "" in runs that measured layouts only.
        demonstrations: how many the judge saw.
        rows: how many rows it judged; 0 = all. One that was given up early judged fewer.
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
    scoring: str = ""
    demonstrations: int = 0
    rows: int = 0

    @property
    def name(self) -> str:
        """``expected, joint, 4 demonstrations``."""
        shown = f"{self.demonstrations} demonstrations" if self.demonstrations else ""
        return ", ".join(filter(None, (self.scoring, self.layout, shown)))

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
    """How much a configuration is worse than the best: best minus it, with its 95 % interval; nan = undecided."""

    value: float
    low: float
    high: float

    @property
    def credible(self) -> bool:
        return self.low > 0


@dataclass(frozen=True, slots=True)
class Rival:
    """A configuration against the best by agreement and the best by coverage.

    Attributes:
        layout: its layout.
        agreement: how much less it agrees.
        coverage: how much less it scores.
        worse: whether it may not be chosen.
    """

    layout: str
    agreement: Gap
    coverage: Gap
    worse: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The configuration that was chosen, and by what.

    Attributes:
        layout: the chosen one.
        reason: one sentence.
        metric: the primary one.
        rows: validation rows.
        documents: units of the intervals among them; 0 when the rows are the units.
        unit: what these are called.
        weighed: every configuration, cheapest first.
        rivals: the same, against the best.
        scoring: the chosen scoring method; "" in runs that measured layouts only.
        demonstrations: how many the chosen judge sees.
        before: position in ``weighed`` of the judge as it stood.
    """

    layout: str
    reason: str
    metric: str
    rows: int
    documents: int
    unit: str
    weighed: tuple[Weighed, ...]
    rivals: tuple[Rival, ...]
    scoring: str = ""
    demonstrations: int = 0
    before: int | None = None

    @property
    def chosen(self) -> int:
        """Position of the chosen configuration in ``weighed``."""
        key = (self.scoring, self.layout, self.demonstrations)
        return [(one.scoring, one.layout, one.demonstrations) for one in self.weighed].index(key)

    @property
    def name(self) -> str:
        """The chosen configuration as ``Weighed.name``."""
        return self.weighed[self.chosen].name

    def lineage(self) -> Choice:
        """The same without money, which a replay may count otherwise."""
        return replace(self, weighed=tuple(replace(one, cost=None) for one in self.weighed))

    def lines(self) -> list[str]:
        """The decision, what it costs, and what each configuration reached and takes."""
        return [
            f"configuration {self.name}, by {self.counted()}: {self.reason}",
            *self.price_lines(),
            *(
                f"  {one.name}: mean {metric_label(self.metric)} {number(one.agreement)}, "
                f"{percent(one.coverage)} scored, {one.price()} a row{self._given_up(one)}"
                for one in self.weighed
            ),
        ]

    def price_lines(self) -> list[str]:
        """What a row cost before the choice and costs after it, in one line; none where that is unknown."""
        if self.before is None:
            return []
        before, after = self.weighed[self.before], self.weighed[self.chosen]
        return [
            f"a row takes {after.calls:.1f} calls and {after.price()}; before, {before.calls:.1f} calls and "
            f"{before.price()}"
        ]

    def _given_up(self, one: Weighed) -> str:
        return f" (given up after {one.rows} rows)" if one.rows and one.rows < self.rows else ""

    def counted(self) -> str:
        """``50 validation rows of 10 documents``."""
        return many_of(self.rows, "validation rows", self.documents, self.unit)

    def cells(self) -> list[tuple[str, ...]]:
        """A table of the configurations, as ``CHOICE_COLUMNS`` names its columns."""
        return [
            (
                one.name,
                number(one.agreement),
                _gap(rival.agreement),
                percent(one.coverage),
                _gap(rival.coverage),
                f"{one.rows or self.rows}",
                f"{one.calls:.1f}",
                f"{one.prompt:.0f}",
                f"{one.cached:.0f}",
                f"{one.completion:.0f}" + (" (estimated)" if one.estimated else ""),
                "" if one.cost is None else cost_text(one.cost),
            )
            for one, rival in zip(self.weighed, self.rivals, strict=True)
        ]


CHOICE_COLUMNS = (
    *("configuration", "agreement", "less than the best", "scored", "less than most", "rows", "calls"),
    *("prompt tokens", "cached", "completion", "cost"),
)


def _gap(gap: Gap) -> str:
    return f"{number(gap.value)} ({interval(gap.low, gap.high)})"
