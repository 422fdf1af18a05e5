"""The ladder of a fit: what each rung reaches on the test rows, what it adds to the baseline, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyjudge.formatting.text import interval, number, p_value, percent, signed
from polyjudge.metrics import agreement
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import RatedRows, coverage
from polyjudge.metrics.significance import difference_test, holm
from polyjudge.metrics.uncertainty import bootstrap, paired_bootstrap
from polyjudge.results.money import cost_text

BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Rung:
    """The judge after one rung, on the test rows, by the mean of the primary metric over the criteria.

    Attributes:
        name: "baseline", "configure", "words", "jury" or "calibrate".
        judge: its configuration in words.
        agreement: on the rows that it scored; nan = undefined.
        low: lower end of its 95 % interval, clustered by document; nan = undecided.
        high: upper end.
        gain: agreement minus the baseline's, on the rows that both scored; 0 for the baseline.
        gain_low: lower end of its 95 % interval.
        gain_high: upper end.
        p_value: of the gain, corrected by Holm for the number of rungs that changed the judge; nan = not tested.
        coverage: share of the rated rows that it scored.
        calls_a_row: answers that the judge needs for one row.
        calls: answers that climbing this rung needed, of any role, from the cache or not.
        cost: USD that climbing it cost in this invocation; None where nothing has a price.
        changed: whether the rung changed the judge.
        note: what happened, in one sentence; "" = nothing to say.
    """

    name: str
    judge: str
    agreement: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    p_value: float
    coverage: float
    calls_a_row: float
    calls: int = 0
    cost: float | None = None
    changed: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Climbed:
    """One rung as it was climbed, with the scores (n, K) that its judge gives the test rows, NaN = unscored."""

    name: str
    judge: str
    scores: Matrix
    calls_a_row: float
    calls: int = 0
    cost: float | None = None
    changed: bool = True
    note: str = ""


def rungs_of(metric: str, people: RatedRows, climbed: Sequence[Climbed]) -> tuple[Rung, ...]:
    """Measure each rung against the first.

    Args:
        metric: the primary one.
        people: the test rows as people rated them.
        climbed: the baseline and the rungs after it, in order.
    """
    found = agreement.metric_of(metric)
    sign = 1 if found.higher_is_better else -1
    rungs = [_rung(found, people, climbed[0].scores, one, sign) for one in climbed]
    tests = [
        difference_test(found, one.scores, climbed[0].scores, people).mean.p_value if one.changed else math.nan
        for one in climbed[1:]
    ]
    corrected = [math.nan, *(holm(tests).tolist() if tests else [])]
    return tuple(replace(rung, p_value=p_value) for rung, p_value in zip(rungs, corrected, strict=True))


def _rung(metric: agreement.Metric, people: RatedRows, before: Matrix, one: Climbed, sign: int) -> Rung:
    own = bootstrap(metric, one.scores, people).mean
    change = paired_bootstrap(metric, one.scores, before, people).mean
    same = bool(np.array_equal(one.scores, before, equal_nan=True))
    low, high = sorted((sign * change.low, sign * change.high))
    shares = coverage(one.scores, people)
    return Rung(
        name=one.name,
        judge=one.judge,
        agreement=own.value,
        low=own.low,
        high=own.high,
        gain=0.0 if same else sign * change.value,
        gain_low=0.0 if same else low,
        gain_high=0.0 if same else high,
        p_value=math.nan,
        coverage=math.fsum(shares) / len(shares),
        calls_a_row=float(one.calls_a_row),
        calls=one.calls,
        cost=one.cost,
        changed=one.changed,
        note=one.note,
    )


RUNG_COLUMNS = (
    *("rung", "judge", "agreement", "gain over baseline", "p (Holm)", "scored", "calls a row", "calls to climb"),
    "cost",
)


def rung_rows(rungs: Sequence[Rung]) -> list[tuple[str, ...]]:
    """The table of a ladder; cells as ``RUNG_COLUMNS`` names them."""
    return [_cells(rung) for rung in rungs]


def rung_notes(rungs: Sequence[Rung]) -> list[str]:
    """What happened on each rung, a line each."""
    return [f"{rung.name}: {rung.note}" for rung in rungs if rung.note]


def _cells(rung: Rung) -> tuple[str, ...]:
    first = rung.name == BASELINE
    gain = f"{signed(rung.gain)} ({interval(rung.gain_low, rung.gain_high)})"
    own = f"{number(rung.agreement)} ({interval(rung.low, rung.high, form=number)})"
    return (
        rung.name,
        rung.judge,
        own,
        "" if first else gain if rung.changed else "no change",
        "" if first or not rung.changed else p_value(rung.p_value),
        percent(rung.coverage),
        f"{rung.calls_a_row:g}",
        "" if first else f"{rung.calls:,}",
        "" if rung.cost is None else cost_text(rung.cost),
    )
