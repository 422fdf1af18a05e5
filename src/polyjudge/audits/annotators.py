"""Decides whether the annotators agree enough for an alignment to make sense.

A judge is compared with the mean of a row's raters (labels: their majority). The rules use the 95 % interval over
documents of the reliability of that mean (labels: of Krippendorff's alpha, as a majority has no reliability):

- *none*: the interval includes 0 or lies below it, and no judge at hand correlates with the raters either. Their
  agreement may be chance, so that there is nothing to align to.
- *weak*: not *none*, but Krippendorff's alpha of single raters is below 0.4. A judge can be aligned to the mean of
  several raters, whose noise averages out.
- *enough*: alpha is 0.4 or more.
- *unknown*: fewer than two raters per row, or too few documents for an interval.

The threshold 0.4 is a convention: Krippendorff asks for 0.67 to draw conclusions from single labels, but a judge is
fitted to means of several raters, and the experts of well-known judge benchmarks lie between the two.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from polyjudge.formatting.text import many
from polyjudge.metrics.baselines import one_annotator
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Levels, Matrix
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.reliability import krippendorff_alpha, mean_reliability, noise_free_limit
from polyjudge.metrics.statistics import kappa
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS

ENOUGH = 0.4


@dataclass(frozen=True, slots=True)
class Annotators:
    """How far the raters of one criterion agree.

    Attributes:
        criterion: its name.
        raters: the number of raters.
        alpha: Krippendorff's alpha of single raters.
        reliability: of the raters' mean; nan = unknown, or labels.
        limit: the correlation of a judge without noise with that mean, the square root of its reliability; nan =
            unknown.
        agree: "enough", "weak", "none" or "unknown".
        ties: rows of labels without a clear majority, which are left out of one annotator's agreement: the vote is
            tied or would be without one of the raters.
    """

    criterion: str
    raters: int
    alpha: Estimate
    reliability: Estimate
    limit: Estimate
    agree: str
    ties: int = 0


def annotators(rows: RatedRows, seed: int = 0, followed: Collection[str] = ()) -> tuple[Annotators, ...]:
    """The agreement of the raters of each criterion.

    Args:
        rows: with the single raters.
        seed: of the resamples.
        followed: criteria on which a judge at hand agrees credibly better than by chance.
    """
    return tuple(
        _annotators(name, matrix, scale, rows, seed, name in followed)
        for name, matrix, scale in zip(rows.names, rows.raters, rows.levels, strict=True)
    )


def verdict(criteria: Sequence[Annotators]) -> str:
    """Whether an alignment makes sense, in words."""
    named: dict[str, list[str]] = {"none": [], "weak": [], "unknown": [], "enough": []}
    for criterion in criteria:
        named[criterion.agree].append(criterion.criterion)
    messages = []
    if named["none"]:
        messages.append(
            f"The annotators' agreement on {', '.join(named['none'])} may be chance: aligning a judge to them makes "
            f"no sense before they are rated again, by clearer definitions or more raters."
        )
    if named["weak"]:
        messages.append(f"They agree weakly on {', '.join(named['weak'])}: align to the mean of several raters.")
    if named["unknown"]:
        messages.append(
            f"Whether they agree on {', '.join(named['unknown'])} is unknown: let two or more people rate the same "
            f"rows, of {FEWEST_CLUSTERS} documents or more."
        )
    enough = named["enough"]
    if enough and not messages:
        messages.append("The annotators agree enough on every criterion for an alignment to make sense.")
    elif enough:
        messages.append(f"They agree enough on {', '.join(enough)}.")
    messages += [
        f"On {criterion.criterion} {many(criterion.ties, 'items')} have a tied vote, or would have without one rater; "
        f"they are left out where one annotator and a judge are compared."
        for criterion in criteria
        if criterion.ties
    ]
    return " ".join(messages)


def _annotators(
    name: str, matrix: Matrix, scale: Levels | None, rows: RatedRows, seed: int, followed: bool
) -> Annotators:
    alpha = krippendorff_alpha(matrix, levels=scale, documents=rows.documents, seed=seed)
    nominal = scale is not None and scale.nominal
    reliability = (
        Estimate.undecided(math.nan, alpha.level, alpha.n_clusters)
        if nominal
        else mean_reliability(matrix, documents=rows.documents, seed=seed)
    )
    agree = _agree(alpha, alpha if nominal else reliability, followed)
    ties = one_annotator(kappa, matrix, levels=scale).n_ties if nominal else 0
    return Annotators(name, matrix.shape[1], alpha, reliability, noise_free_limit(reliability), agree, ties)


def _agree(alpha: Estimate, trusted: Estimate, followed: bool) -> str:
    if not (alpha.interval.known and trusted.interval.known):
        return "unknown"
    if not trusted.interval.above_zero and not followed:
        return "none"
    return "enough" if alpha.value >= ENOUGH and alpha.interval.above_zero else "weak"
