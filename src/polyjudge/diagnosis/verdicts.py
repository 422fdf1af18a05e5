"""From figures to words, by rules that were written down before any of them was measured (docs/diagnosis.md).

A rule looks at intervals of level ``VERDICT_LEVEL``, so that each end is passed by chance once in a hundred times.
"Yes" needs an interval that lies wholly on the wrong side; "no" one that leaves no room for a loss that matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from polyjudge.diagnosis.dilution import dilution_evidence
from polyjudge.diagnosis.interference import FITTED, INITIAL
from polyjudge.diagnosis.records import (
    MEAN,
    RATING_RANGE,
    VERDICT_LEVEL,
    Adherence,
    Dilution,
    Figure,
    Interference,
    StepRating,
    Verdict,
    mean_of,
)
from polyjudge.domain.decomposition import Group
from polyjudge.formatting.text import many, many_of, number, signed, with_interval
from polyjudge.metrics.estimates import Estimate

DILUTION, INTERFERENCE, OBEYS = "dilution", "interference", "optimizer obeys"
UNDEFINED = "an undefined figure"
YES, NO, UNDECIDED, NOT_DEFINED = "yes", "no", "undecided", "not defined"

# A loss of one point of ten matters. A loss of .05 in agreement is about what the usual test sets can show.
LEAST_RATING = 1.0
LEAST_AGREEMENT = 0.05
# The middle of the ratings from 1 to 10.
MIDDLE_RATING = 5.5


def not_defined(question: str, reason: str) -> Verdict:
    return Verdict(question, NOT_DEFINED, reason)


def on_dilution(dilution: Dilution, names: Group) -> Verdict:
    """Yes, if a joint gradient is credibly less specific once scope is taken out, by either of two controls."""
    evidence = dilution_evidence(dilution, names)
    concatenated, extracted = (figure.estimate for figure in evidence)
    text = (
        f"joint gradients lose {_points(concatenated)} against separate ones joined, and their own sentences lose "
        f"{_points(extracted)} against separate ones"
    )
    if all(math.isnan(figure.estimate.value) for figure in evidence):
        return Verdict(DILUTION, UNDECIDED, _unrated(dilution.ratings), evidence)
    if any(math.isnan(figure.estimate.low) for figure in evidence):
        return Verdict(DILUTION, UNDECIDED, f"too few rated steps for an interval: {text}", evidence)
    if any(figure.estimate.low > 0 for figure in evidence):
        return Verdict(DILUTION, YES, f"with scope taken out, {text}", evidence)
    if all(figure.estimate.high < LEAST_RATING for figure in evidence):
        return Verdict(DILUTION, NO, f"with scope taken out, the loss is below one point: {text}", evidence)
    return Verdict(DILUTION, UNDECIDED, f"both a loss and none are possible: {text}", evidence)


def on_interference(interference: Interference, *, changed: bool) -> Verdict:
    """Yes, if the fitted instructions agree credibly less together than apart, in the mean over the criteria."""
    evidence = interference.evidence
    loss = _of(evidence, FITTED)
    which = "the fitted instructions" if changed else "the instructions, which nothing changed,"
    text = f"mean {interference.metric} of {which} together minus apart is {_agreement(loss)}"
    as_such = _of(evidence, INITIAL)
    if changed and not math.isnan(as_such.value):
        text += f"; of the initial ones, {_agreement(as_such)}"
    if math.isnan(loss.low):
        counted = many_of(interference.rows, "rows", interference.clusters, interference.unit)
        reason = f"no interval can be given on {counted}"
        return Verdict(INTERFERENCE, UNDECIDED, f"{reason}: {text}", evidence)
    if loss.high < 0:
        return Verdict(INTERFERENCE, YES, text, evidence)
    if loss.low > 0:
        return Verdict(INTERFERENCE, NO, f"sharing a call helps: {text}", evidence)
    if loss.low > -LEAST_AGREEMENT:
        return Verdict(INTERFERENCE, NO, f"no loss of {LEAST_AGREEMENT} or more: {text}", evidence)
    return Verdict(INTERFERENCE, UNDECIDED, f"both a loss and none are possible: {text}", evidence)


def on_obedience(adherence: Adherence) -> Verdict:
    """Yes or no, if mean adherence lies credibly above or below the middle of the rating scale."""
    scores = [rating.rating.score for rating in adherence.ratings]
    mean = mean_of(scores, [rating.step for rating in adherence.ratings], level=VERDICT_LEVEL, within=RATING_RANGE)
    evidence = (Figure("adherence", "run", MEAN, mean),)
    if math.isnan(mean.value):
        return Verdict(OBEYS, UNDECIDED, _unrated(adherence.ratings), evidence)
    text = f"new instructions follow the criticism by {_points(mean)} of 10"
    if math.isnan(mean.low):
        return Verdict(OBEYS, UNDECIDED, f"too few rated steps for an interval: {text}", evidence)
    if mean.low > MIDDLE_RATING:
        return Verdict(OBEYS, YES, text, evidence)
    if mean.high < MIDDLE_RATING:
        return Verdict(OBEYS, NO, text, evidence)
    return Verdict(OBEYS, UNDECIDED, f"{text}, neither credibly above nor below {MIDDLE_RATING}", evidence)


def _unrated(ratings: Sequence[StepRating]) -> str:
    """Why no figure can be given."""
    unread = sum(math.isnan(rating.rating.score) for rating in ratings)
    if not unread:
        return "no step has the ratings that the question needs"
    return f"{unread:,} of {many(len(ratings), 'ratings')} could not be read; choose another diagnostic model"


def _of(evidence: Sequence[Figure], of: str) -> Estimate:
    return next(
        (figure.estimate for figure in evidence if figure.of == of), Estimate.undecided(math.nan, VERDICT_LEVEL, 0)
    )


def _points(estimate: Estimate) -> str:
    tenths = partial(number, digits=1)
    return with_interval(estimate.value, estimate.low, estimate.high, UNDEFINED, form=tenths, unit=" points")


def _agreement(estimate: Estimate) -> str:
    return with_interval(estimate.value, estimate.low, estimate.high, UNDEFINED, form=signed)
