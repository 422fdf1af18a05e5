"""Evaluate what a study adds to its runs: the initial prompt again, and instructions of single criteria combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from polyjudge.concurrency import together
from polyjudge.diagnosis.records import Pick
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Reading, Step
from polyjudge.domain.scale import NAN
from polyjudge.judge.measure import measure
from polyjudge.metrics import agreement
from polyjudge.results.store import read_readings, read_steps
from polyjudge.results.study import Extra
from polyjudge.workflows.study_file import Study
from polyjudge.workflows.study_grid import PreparedRun
from polyjudge.workflows.study_plan import PICKED_BY, partner_of, retests, validated
from polyjudge.workflows.test_evaluation import reading_from


async def judged_again(study: Study, prepared_runs: Sequence[PreparedRun]) -> list[Extra]:
    """Re-test the initial prompt with new samples of the judge, once for all runs that share it."""
    evaluations = []
    for prepared in {
        prepared.judged: prepared for prepared in reversed(prepared_runs) if retests(study, prepared)
    }.values():
        cells = tuple(other.cell.name for other in prepared_runs if other.judged == prepared.judged)
        evaluations += [_again(prepared, cells, sample) for sample in range(1, retests(study, prepared) + 1)]
    extras = await together(evaluations)
    return sorted(extras, key=lambda extra: (extra.cells, extra.reading.step))


async def judged_on_validation(prepared_runs: Sequence[PreparedRun], runs: Path) -> list[Extra]:
    """Judge the steps of runs without a gate on the validation rows, so that a step can be chosen on them."""
    evaluations = []
    for prepared in filter(validated, prepared_runs):
        last: dict[str, tuple[str, ...]] = {}
        for step in read_steps(runs / prepared.cell.name):
            # A step that changed nothing adds no choice.
            instructions = tuple(step.instructions.values())
            if last.get(step.criteria[0]) != instructions:
                evaluations.append(_validated(prepared, step))
            last[step.criteria[0]] = instructions
    return await together(evaluations)


async def combined(prepared_runs: Sequence[PreparedRun], runs: Path) -> list[Extra]:
    """Judge the instructions of single-criterion runs in one prompt, under each seed."""
    evaluations = []
    for group in single(prepared_runs):
        partners = [partner for prepared in group if (partner := partner_of(prepared, prepared_runs)) is not None]
        chosen = _picked_on_test(group, runs) if partners else {}
        for by, picks in chosen.items():
            evaluations += [_together(partner, group, picks, by, "test") for partner in partners]
        for prepared in group:
            partner = partner_of(prepared, prepared_runs)
            if partner is not None:
                evaluations.append(_together(partner, [prepared], _fitted(prepared, runs), "", "validation"))
    return await together(evaluations)


def single(prepared_runs: Sequence[PreparedRun]) -> list[list[PreparedRun]]:
    """The runs of mode ST; those that differ only in their seed are in one group."""
    groups: dict[tuple[object, ...], list[PreparedRun]] = {}
    for prepared in prepared_runs:
        if prepared.config.mode == "ST":
            groups.setdefault((prepared.cell.block, *prepared.cell.values.items()), []).append(prepared)
    return [*groups.values()]


async def _again(prepared: PreparedRun, cells: tuple[str, ...], sample: int) -> Extra:
    prompt = prepared.run_setup.prompt
    reading = await _read(prepared, prompt, sample)
    return Extra("retest", cells, prepared.cell.seed, reading, texts=prompt.instructions)


async def _validated(prepared: PreparedRun, step: Step) -> Extra:
    run_setup = prepared.run_setup
    prompt = run_setup.prompt.only(step.criteria).after(step)
    predictions = await run_setup.judge.evaluate(prompt, run_setup.split.validation)
    measured = measure(run_setup.metric, predictions, run_setup.validation_rows.select(prompt.names))
    return Extra(
        "validated", (prepared.cell.name,), prepared.cell.seed, Reading(step.index, step.criteria, (measured,), {})
    )


async def _together(
    partner: PreparedRun, group: Sequence[PreparedRun], picks: Sequence[Pick], by: str, on: str
) -> Extra:
    instructions = {pick.criterion: pick.text for pick in picks}
    reading = await _read(partner, partner.run_setup.prompt.revise(instructions), 0)
    return Extra(
        "combined",
        tuple(prepared.cell.name for prepared in group),
        partner.cell.seed,
        reading,
        by,
        on,
        {pick.criterion: pick.run for pick in picks},
        {pick.criterion: pick.step for pick in picks},
        instructions,
    )


async def _read(prepared: PreparedRun, prompt: JudgePrompt, sample: int) -> Reading:
    predictions = await prepared.run_setup.judge.evaluate(prompt, prepared.run_setup.split.test, sample)
    return reading_from(prepared.run_setup, sample, prompt, predictions)


def _picked_on_test(group: Sequence[PreparedRun], runs: Path) -> dict[str, list[Pick]]:
    """The instructions with the best metric on the test rows themselves, over all runs and steps, as in the paper."""
    best_by_metric: dict[str, dict[str, Pick]] = {}
    for prepared in group:
        folder = runs / prepared.cell.name
        instructions = {
            (step.index, name): text for step in read_steps(folder) for name, text in step.instructions.items()
        }
        readings = [reading for reading in read_readings(folder) if len(reading.criteria) == 1]
        for reading in readings:
            name = reading.criteria[0]
            for measured in reading.measured:
                if measured.metric in PICKED_BY:
                    pick = Pick(
                        name, prepared.cell.name, reading.step, measured.mean, instructions[reading.step, name]
                    )
                    _keep_better(best_by_metric.setdefault(measured.metric, {}), measured.metric, pick)
    names = group[0].run_setup.prompt.names
    whole = {by: best for by, best in best_by_metric.items() if set(best) == set(names)}
    return {by: [best[name] for name in names] for by, best in whole.items()}


def _keep_better(best: dict[str, Pick], metric: str, pick: Pick) -> None:
    known = best.get(pick.criterion)
    if known is None or agreement.metric_of(metric).is_better(pick.value, known.value):
        best[pick.criterion] = pick


def _fitted(prepared: PreparedRun, runs: Path) -> list[Pick]:
    """The run's fitted instructions."""
    last: Mapping[str, str] = {}
    for step in read_steps(runs / prepared.cell.name):
        last = {**last, **step.instructions}
    return [
        Pick(name, prepared.cell.name, prepared.config.steps, NAN, last[name])
        for name in prepared.run_setup.prompt.names
    ]
