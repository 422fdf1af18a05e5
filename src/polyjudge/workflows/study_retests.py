"""What a study judges beside its runs: the initial prompt again, and the instructions of single criteria together."""

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
from polyjudge.workflows.study_grid import Ready
from polyjudge.workflows.study_plan import PICKED_BY, partner_of, retests, validated
from polyjudge.workflows.test_evaluation import reading_of


async def judged_again(study: Study, ready: Sequence[Ready]) -> list[Extra]:
    """The re-tests: fresh samples of the judge with the initial prompt, once for all runs that share it."""
    work = []
    for one in {one.judged: one for one in reversed(ready) if retests(study, one)}.values():
        cells = tuple(other.cell.name for other in ready if other.judged == one.judged)
        work += [_again(one, cells, sample) for sample in range(1, retests(study, one) + 1)]
    found = await together(work)
    return sorted(found, key=lambda extra: (extra.cells, extra.reading.step))


async def judged_on_validation(ready: Sequence[Ready], runs: Path) -> list[Extra]:
    """The steps of runs without a gate on the validation rows, so that one can be chosen without the test rows."""
    work = []
    for one in filter(validated, ready):
        seen: dict[str, tuple[str, ...]] = {}
        for step in read_steps(runs / one.cell.name):
            # A step that changed nothing is no other choice.
            texts = tuple(step.instructions.values())
            if seen.get(step.criteria[0]) != texts:
                work.append(_validated(one, step))
            seen[step.criteria[0]] = texts
    return await together(work)


async def combined(ready: Sequence[Ready], runs: Path) -> list[Extra]:
    """For every set of runs of single criteria: their instructions in one prompt, judged jointly under each seed."""
    work = []
    for group in single(ready):
        partners = [partner for one in group if (partner := partner_of(one, ready)) is not None]
        chosen = _picked_on_test(group, runs) if partners else {}
        for by, picks in chosen.items():
            work += [_together(partner, group, picks, by, "test") for partner in partners]
        for one in group:
            partner = partner_of(one, ready)
            if partner is not None:
                work.append(_together(partner, [one], _fitted(one, runs), "", "validation"))
    return await together(work)


def single(ready: Sequence[Ready]) -> list[list[Ready]]:
    """The runs of mode ST, those that differ in their seed only together."""
    groups: dict[tuple[object, ...], list[Ready]] = {}
    for one in ready:
        if one.config.mode == "ST":
            groups.setdefault((one.cell.block, *one.cell.values.items()), []).append(one)
    return [*groups.values()]


async def _again(one: Ready, cells: tuple[str, ...], sample: int) -> Extra:
    prompt = one.house.prompt
    reading = await _read(one, prompt, sample)
    return Extra("retest", cells, one.cell.seed, reading, texts=prompt.instructions)


async def _validated(one: Ready, step: Step) -> Extra:
    house = one.house
    prompt = house.prompt.only(step.criteria).revise(step.instructions)
    predictions = await house.judge.evaluate(prompt, house.split.validation)
    measured = measure(house.metric, predictions, house.validation_rows.select(prompt.names))
    return Extra("validated", (one.cell.name,), one.cell.seed, Reading(step.index, step.criteria, (measured,), {}))


async def _together(partner: Ready, group: Sequence[Ready], picks: Sequence[Pick], by: str, on: str) -> Extra:
    texts = {pick.criterion: pick.text for pick in picks}
    reading = await _read(partner, partner.house.prompt.revise(texts), 0)
    return Extra(
        "combined",
        tuple(one.cell.name for one in group),
        partner.cell.seed,
        reading,
        by,
        on,
        {pick.criterion: pick.run for pick in picks},
        {pick.criterion: pick.step for pick in picks},
        texts,
    )


async def _read(one: Ready, prompt: JudgePrompt, sample: int) -> Reading:
    predictions = await one.house.judge.evaluate(prompt, one.house.split.test, sample)
    return reading_of(one.house, sample, prompt, predictions)


def _picked_on_test(group: Sequence[Ready], runs: Path) -> dict[str, list[Pick]]:
    """The paper's way: of all runs and steps the instruction with the best figure on the test rows themselves."""
    found: dict[str, dict[str, Pick]] = {}
    for one in group:
        folder = runs / one.cell.name
        texts = {(step.index, name): text for step in read_steps(folder) for name, text in step.instructions.items()}
        readings = [reading for reading in read_readings(folder) if len(reading.criteria) == 1]
        for reading in readings:
            name = reading.criteria[0]
            for measured in reading.measured:
                if measured.metric in PICKED_BY:
                    pick = Pick(name, one.cell.name, reading.step, measured.mean, texts[reading.step, name])
                    _keep_better(found.setdefault(measured.metric, {}), measured.metric, pick)
    names = group[0].house.prompt.names
    whole = {by: best for by, best in found.items() if set(best) == set(names)}
    return {by: [best[name] for name in names] for by, best in whole.items()}


def _keep_better(best: dict[str, Pick], metric: str, pick: Pick) -> None:
    known = best.get(pick.criterion)
    if known is None or agreement.metric_of(metric).is_better(pick.value, known.value):
        best[pick.criterion] = pick


def _fitted(one: Ready, runs: Path) -> list[Pick]:
    """What the run's own gate left standing; without a gate the last instruction."""
    last: Mapping[str, str] = {}
    for step in read_steps(runs / one.cell.name):
        last = {**last, **step.instructions}
    return [Pick(name, one.cell.name, one.config.steps, NAN, last[name]) for name in one.house.prompt.names]
