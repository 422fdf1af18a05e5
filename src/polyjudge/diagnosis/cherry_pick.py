"""The paper's experiment: the best instruction of each criterion, put into one prompt.

The paper chose them on the rows that it reported. Here they are chosen on the validation rows and reported on
held-out ones; its own way is there too, and marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyjudge.concurrency import together
from polyjudge.diagnosis.arms import APART, TOGETHER, Bench
from polyjudge.diagnosis.records import CherryPick, Pick
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Step
from polyjudge.judge.measure import measure
from polyjudge.metrics import agreement
from polyjudge.metrics.rated import RatedRows


@dataclass(frozen=True, slots=True)
class Standing:
    """The prompt that stood after a step, all criteria together.

    Attributes:
        step: the step's index.
        prompt: with its instructions.
        run: the run it is from, where several are looked at.
    """

    step: int
    prompt: JudgePrompt
    run: str = ""


def standings(initial: JudgePrompt, steps: Sequence[Step], run: str = "") -> tuple[Standing, ...]:
    """The different prompts that stood, as they first stood; under ST the criteria's runs put together."""
    different: dict[tuple[object, ...], Standing] = {}
    prompt = initial
    for index in sorted({step.index for step in steps}):
        for step in steps:
            prompt = prompt.after(step) if step.index == index else prompt
        shown = tuple(example.id for example in prompt.demonstrations)
        different.setdefault((*prompt.instructions.values(), shown), Standing(index, prompt, run))
    return tuple(different.values())


async def cherry_pick(
    bench: Bench,
    initial: JudgePrompt,
    trajectory: Sequence[Standing],
    choosing: Sequence[Example],
    rated: RatedRows,
    *,
    chosen_on: str = "validation",
    by: str = "",
) -> CherryPick:
    """Pick each criterion's best instruction, and judge the picks apart and together on held-out rows.

    Args:
        bench: the held-out rows; its judge, as the run had it, also chooses.
        initial: the prompt before any step.
        trajectory: what there is to pick from, of one run or several.
        choosing: the rows that choose.
        rated: the same as people rated them.
        chosen_on: what these are called; "test" says that they are the held-out ones.
        by: the metric that chooses; "" = the primary one.
    """
    metric = by or bench.metric
    judged = await together(bench.judge.evaluate(standing.prompt, choosing) for standing in trajectory)
    values = [
        measure(metric, predictions, rated.select(standing.prompt.names)).values
        for standing, predictions in zip(trajectory, judged, strict=True)
    ]
    picks = tuple(_picks(initial.names, trajectory, [dict(value) for value in values], agreement.metric_of(metric)))
    picked = initial.revise({pick.criterion: pick.text for pick in picks})
    before, apart, beside = await together(
        bench.judged(prompt, company) for prompt, company in ((initial, TOGETHER), (picked, APART), (picked, TOGETHER))
    )
    cells = [
        *bench.cells(initial, before, "initial", TOGETHER),
        *bench.cells(picked, apart, "picked", APART),
        *bench.cells(picked, beside, "picked", TOGETHER),
    ]
    figures = [
        *bench.contrast(picked, [(1.0, beside), (-1.0, apart)], "picked", "together - apart"),
        *bench.contrast(picked, [(1.0, beside), (-1.0, before)], "picked", "together - initial together"),
    ]
    return CherryPick(metric, chosen_on, picks, tuple(cells), tuple(figures))


def planned_cherry_pick(names: int, groups: int, trajectory: int, choosing: int, rows: int, samples: int) -> int:
    """Calls of the judge, at most; what a gate measured is in the cache."""
    return samples * (trajectory * choosing * groups + rows * (names + 2))


def _picks(
    names: Sequence[str],
    trajectory: Sequence[Standing],
    values: Sequence[dict[str, float]],
    metric: agreement.Metric,
) -> Iterator[Pick]:
    for name in names:
        best = 0
        for at in range(1, len(trajectory)):
            if metric.is_better(values[at][name], values[best][name]):
                best = at
        standing = trajectory[best]
        yield Pick(
            name, standing.run, standing.step, values[best].get(name, math.nan), standing.prompt.instructions[name]
        )
