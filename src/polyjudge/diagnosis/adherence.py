"""Does the optimizer do what the gradients ask for? Ratings of every new instruction, by criterion and over all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from polyjudge.concurrency import together
from polyjudge.diagnosis.dilution import audited
from polyjudge.diagnosis.rater import Rater, adherence_of
from polyjudge.diagnosis.records import MEAN, RATING_RANGE, Adherence, Figure, StepRating, mean_of
from polyjudge.domain.records import Step


async def adherence(
    rater: Rater,
    initial: Mapping[str, str],
    steps: Sequence[Step],
    share: float,
    seed: int,
) -> Adherence:
    """Ratings of the new instructions of a run.

    Args:
        rater: the model that rates.
        initial: criterion -> instruction before any step.
        steps: in order; those of each criterion in turn under ST.
        share: of the steps to rate, 0..1; the same steps as for dilution.
        seed: decides which.
    """
    standing = dict(initial)
    befores = []
    for step in steps:
        befores.append({name: standing[name] for name in step.criteria})
        standing |= step.instructions
    chosen = audited(sorted({step.index for step in steps if step.gradients}), share, seed)
    wanted = [(before, step) for before, step in zip(befores, steps, strict=True) if step.index in chosen]
    rated = await together(adherence_of(rater, before, step) for before, step in wanted)
    ratings = tuple(
        StepRating(step.index, rating) for (_, step), given in zip(wanted, rated, strict=True) for rating in given
    )
    figures = []
    for criterion in (*rater.names, MEAN):
        selected = [rating for rating in ratings if criterion in (MEAN, rating.rating.criterion)]
        if selected:
            scores = [rating.rating.score for rating in selected]
            mean = mean_of(scores, [rating.step for rating in selected], within=RATING_RANGE)
            figures.append(Figure("adherence", "run", criterion, mean))
    return Adherence(ratings, tuple(figures), sum(math.isnan(rating.rating.score) for rating in ratings))
