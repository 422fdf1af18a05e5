"""Does the optimizer do what the gradients ask for? Marks of every new instruction, by criterion and over all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from polyjudge.concurrency import together
from polyjudge.diagnosis.dilution import audited
from polyjudge.diagnosis.rater import Rater, adherence_of
from polyjudge.diagnosis.records import MARKS, MEAN, Adherence, Figure, StepRating, mean_of
from polyjudge.domain.records import Step


async def adherence(
    rater: Rater,
    initial: Mapping[str, str],
    steps: Sequence[Step],
    share: float,
    seed: int,
) -> Adherence:
    """Marks of the new instructions of a run.

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
    results = await together(adherence_of(rater, before, step) for before, step in wanted)
    ratings = tuple(
        StepRating(step.index, rating) for (_, step), own in zip(wanted, results, strict=True) for rating in own
    )
    figures = []
    for criterion in (*rater.names, MEAN):
        own = [one for one in ratings if criterion in (MEAN, one.rating.criterion)]
        if own:
            marks = [one.rating.score for one in own]
            found_mean = mean_of(marks, [one.step for one in own], within=MARKS)
            figures.append(Figure("adherence", "run", criterion, found_mean))
    return Adherence(ratings, tuple(figures), sum(math.isnan(one.rating.score) for one in ratings))
