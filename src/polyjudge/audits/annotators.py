"""Whether the annotators agree enough for an alignment to make sense.

The rules, by Krippendorff's alpha of a criterion's raters and its 95 % interval over documents:

- *none*: the interval reaches down to 0 or below. What the raters share may be chance: nothing to align to.
- *weak*: above 0, but alpha is below 0.4. A judge can be aligned to the mean of several raters, whose noise averages
  out; figures near the ceiling are as good as it gets.
- *enough*: alpha is 0.4 or more with an interval above 0.
- *unknown*: fewer than two raters a row, or too few documents for an interval.

0.4 is no law: Krippendorff asks for 0.67 to draw conclusions from single labels; a judge is fitted to means of
several raters, and the experts of well-known judge benchmarks lie between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.reliability import krippendorff_alpha
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS

ENOUGH = 0.4


@dataclass(frozen=True, slots=True)
class Annotators:
    """How far the raters of one criterion agree.

    Attributes:
        criterion: its name.
        raters: columns of raters with a rating.
        alpha: Krippendorff's alpha; nan = unknown.
        low: lower end of its 95 % interval; nan = unknown.
        high: upper end.
        agree: "enough", "weak", "none" or "unknown".
    """

    criterion: str
    raters: int
    alpha: float
    low: float
    high: float
    agree: str


def annotators(rows: RatedRows, seed: int = 0) -> tuple[Annotators, ...]:
    """The agreement of the raters of each criterion."""
    found = []
    for name, matrix, scale in zip(rows.names, rows.raters, rows.levels, strict=True):
        one = krippendorff_alpha(matrix, levels=scale, documents=rows.documents, seed=seed)
        found.append(Annotators(name, matrix.shape[1], one.value, one.low, one.high, _agree(one.value, one.low)))
    return tuple(found)


def verdict(found: Sequence[Annotators]) -> str:
    """One sentence: whether an alignment makes sense."""
    named = {agree: [one.criterion for one in found if one.agree == agree] for agree in ("none", "weak", "unknown")}
    told = []
    if named["none"]:
        told.append(
            f"The annotators' agreement on {', '.join(named['none'])} may be chance: aligning a judge to them makes "
            f"no sense before they are rated again, by clearer definitions or more raters."
        )
    if named["weak"]:
        told.append(f"They agree weakly on {', '.join(named['weak'])}: align to the mean of several raters.")
    if named["unknown"]:
        told.append(
            f"Whether they agree on {', '.join(named['unknown'])} is unknown: let two or more people rate the same "
            f"rows, of {FEWEST_CLUSTERS} documents or more."
        )
    enough = [one.criterion for one in found if one.agree == "enough"]
    if enough and not told:
        return "The annotators agree enough on every criterion for an alignment to make sense."
    return " ".join([*told, *([f"They agree enough on {', '.join(enough)}."] if enough else [])])


def _agree(alpha: float, low: float) -> str:
    if math.isnan(alpha) or math.isnan(low):
        return "unknown"
    if low <= 0:
        return "none"
    return "enough" if alpha >= ENOUGH else "weak"
