"""The rungs ``jury`` and ``calibrate``: what was measured on the validation rows anyway, as one judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from polyjudge.combining import Jury, calibrate, choose_ridge, select_jury
from polyjudge.combining.fitted import FittedJury
from polyjudge.concurrency import together
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Step
from polyjudge.formatting.text import number, signed
from polyjudge.judge.measure import own_metric, scores
from polyjudge.metrics import agreement, baselines
from polyjudge.metrics.levels import Matrix
from polyjudge.results.choice import Choice
from polyjudge.workflows.assemble import Option, RunSetup
from polyjudge.workflows.ladder import ALONE, Answers, Seat, Standing, measured_seats


async def add_jury(
    run_setup: RunSetup,
    options: Sequence[Option],
    standing: Standing,
    steps: Sequence[Step],
    choice: Choice | None,
    most: int,
) -> tuple[Standing, str]:
    """The judge with the members that raise the validation agreement, and what was seen.

    Candidates are the prompts and configurations that were judged on all validation rows. They are taken from the
    response cache. The jury keeps the judge that stands unless two or more members agree better than any one.

    Args:
        run_setup: of the run, under the configuration of its steps.
        options: the configurations that the rung "configure" may have measured.
        standing: the judge so far, a single one.
        steps: of the run.
        choice: of the rung "configure"; None where nothing was measured.
        most: members.
    """
    if most < 2:
        return standing, "one member is allowed (--members)"
    seats = list(_candidates(run_setup, options, standing, steps, choice))
    rows = run_setup.split.validation
    said = await together(seat.judge.behind.evaluate(seat.prompt, rows) for _, seat in seats)
    rated = run_setup.validation_rows
    given = {name: scores(rated.names, found) for (name, _), found in zip(seats, said, strict=True)}
    costs = {name: float(seat.calls_a_row) for name, seat in seats}
    metrics = [agreement.metric_of(own_metric(criterion)) for criterion in run_setup.prompt.criteria]
    chosen = select_jury(given, rated, metrics, most=most, costs=costs)
    if len(chosen.members) < 2:
        return standing, f"of {len(seats)} candidates none raised the validation agreement of the best beside it"
    by_name = dict(seats)
    members = tuple((name, by_name[name]) for name in chosen.members)
    steps_up = " -> ".join(number(addition.value) for addition in chosen.history)
    told = f"{len(members)} of {len(seats)} candidates, validation agreement {steps_up}: {'; '.join(chosen.members)}"
    fitted = FittedJury(chosen.jury, (None,) * len(rated.names))
    return Standing(standing.chair, members, fitted), told


def _candidates(
    run_setup: RunSetup,
    options: Sequence[Option],
    standing: Standing,
    steps: Sequence[Step],
    choice: Choice | None,
) -> Iterator[tuple[str, Seat]]:
    """Everything that was judged on all validation rows, the judge that stands first, each once."""
    chair = standing.chair
    found = measured_seats(chair, _prompts(run_setup.prompt, chair.prompt, steps))
    yield from found
    whole = [] if choice is None else [one for one in choice.weighed if one.rows in (0, choice.rows)]
    for option in options:
        seat = Seat(
            replace(run_setup.judge, layout=option.layout, scoring=option.scoring),
            replace(run_setup.prompt, demonstrations=option.demonstrations),
        )
        key = (option.scoring.name, str(option.layout), len(option.demonstrations))
        complete = any((one.scoring, one.layout, one.demonstrations) == key for one in whole)
        if complete and not any(seat.like(other) for _, other in found):
            yield f"{seat.text}, initial", seat


def _prompts(initial: JudgePrompt, fitted: JudgePrompt, steps: Sequence[Step]) -> Iterator[tuple[str, JudgePrompt]]:
    """The prompts of a run that were judged on all validation rows, by name; under ST only the first and the last."""
    yield "fitted", fitted
    yield "initial", initial
    if not steps or steps[0].criteria != initial.names:
        return
    before = initial
    for earlier, step in pairwise(steps):
        before = before.after(earlier)
        for number_of, candidate in enumerate(step.candidates, 1):
            if candidate.measured is not None and not candidate.stopped and candidate.instructions:
                yield f"step {step.index}, candidate {number_of}", before.revise(candidate.instructions)
        if step.merged is not None:
            yield f"step {step.index}, merged", before.revise(step.merged.instructions)


async def add_calibration(run_setup: RunSetup, standing: Standing, seed: int) -> tuple[Standing, str]:
    """The judge with a monotone map for each criterion, and what it does to the error, cross-fitted.

    A ridge over all criteria and members replaces it where cross-validation by document prefers that.
    """
    rated, rows = run_setup.validation_rows, run_setup.split.validation
    if rated.n_units < 2:
        return standing, "the validation rows are of one document, on which nothing can be cross-fitted"
    said = await together(seat.judge.behind.evaluate(seat.prompt, rows) for _, seat in standing.panel)
    answers = Answers(tuple((seat, found) for (_, seat), found in zip(standing.panel, said, strict=True)))
    plain = standing.scores(rated.names, answers)
    calibration = calibrate(plain, rated, seed=seed)
    given = {name: scores(rated.names, answers.of(seat)) for name, seat in standing.panel}
    nominal = tuple(levels is not None and levels.nominal for levels in rated.levels)
    jury = standing.fitted.jury if standing.fitted is not None else Jury.of({ALONE: given[ALONE]}, nominal)
    metrics = [agreement.metric_of(own_metric(criterion)) for criterion in run_setup.prompt.criteria]
    ridge = choose_ridge(jury, given, rated, metrics, seed=seed)
    if not any(calibration.maps) and ridge.ridge is None:
        return standing, "no criterion has enough rated rows with an order"
    fitted = FittedJury(jury, calibration.maps, ridge.ridge)
    before, after = _error(run_setup, plain), _error(run_setup, calibration.cross_fitted)
    constant = float(np.nanmean([_constant(run_setup, k) for k in range(len(rated.names))]))
    told = (
        f"mean absolute error on the validation rows, cross-fitted, {number(before)} -> {number(after)} "
        f"({signed(after - before)}); a constant answer has {number(constant)}; ridge: {ridge.reason}"
    )
    return replace(standing, fitted=fitted), told


def _error(run_setup: RunSetup, given: Matrix) -> float:
    """The mean absolute error over the criteria with an order."""
    rated, metric = run_setup.validation_rows, agreement.metric_of("mae")
    values = [
        metric(given[:, k], rated.human[:, k], levels)
        for k, levels in enumerate(rated.levels)
        if metric.applies_to(levels)
    ]
    return float(np.nanmean(values)) if values else float("nan")


def _constant(run_setup: RunSetup, k: int) -> float:
    rated, metric = run_setup.validation_rows, agreement.metric_of("mae")
    if not metric.applies_to(rated.levels[k]):
        return float("nan")
    return baselines.constant_baseline(metric, rated.human[:, k], levels=rated.levels[k]).value
