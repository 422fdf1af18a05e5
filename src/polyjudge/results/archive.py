"""archive.json: every prompt that a run measured on the validation rows, what of it nothing beats, and whom to take.

A mean hides what a prompt gave up for it. The archive keeps the whole vectors, so that another choice than the gate's
can still be made. Values are those of the rows that chose, and so optimistic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.records import Candidate, Step
from polyjudge.domain.scale import NAN
from polyjudge.gates import COVERAGE_SLACK, Gate
from polyjudge.judge.measure import levels
from polyjudge.metrics import agreement, pareto


@dataclass(frozen=True, slots=True)
class Archived:
    """One measured prompt.

    Attributes:
        step: after or in which.
        origin: "initial", "candidate", "merged", or "combined" (ST: each criterion's best, measured apart).
        instructions: criterion -> text.
        values: criterion -> agreement on the validation rows; nan = undefined.
        eligible: whether it left no more rows unscored than it may; else it is in no front and no pick.
    """

    step: int
    origin: str
    instructions: Mapping[str, str]
    values: Mapping[str, float]
    eligible: bool = True


@dataclass(frozen=True, slots=True)
class Archive:
    """What a run measured, and what stands out. Positions count from 0 in ``prompts``.

    Attributes:
        metrics: criterion -> metric.
        higher_is_better: criterion -> its direction.
        reference: criterion -> the fixed reference value of the hypervolume: the worst end of the metric's range.
        prompts: the initial one first, each different one once.
        front: those that no other dominates, of equals the first.
        hypervolume: of the front; exact.
        hypervolume_initial: of the initial prompt alone.
        picks: "weighted" (highest mean), "worst criterion" (max-min), "knee", "feasible" (highest mean with no
            criterion below the initial prompt's); None where there is none.
        note: how to read it.
    """

    metrics: Mapping[str, str]
    higher_is_better: Mapping[str, bool]
    reference: Mapping[str, float]
    prompts: tuple[Archived, ...]
    front: tuple[int, ...]
    hypervolume: float
    hypervolume_initial: float
    picks: Mapping[str, int | None]
    note: str


def archive(steps: Sequence[Step], criteria: Sequence[Criterion], gate: Gate) -> Archive:
    """What a run's steps measured; the steps of each criterion in turn under ST.

    A gate that measures nothing leaves it empty.
    """
    metrics = gate.metrics_for(criteria)
    if not metrics:
        return Archive({}, {}, {}, (), (), NAN, NAN, {}, "Gate none measures nothing on the validation rows.")
    chosen = [metrics[criterion.name] for criterion in criteria]
    apart = len(steps[0].criteria) < len(criteria)
    prompts = _distinct(_apart(steps, chosen, criteria) if apart else _together(steps))
    points = pareto.oriented(
        [[one.values[c.name] if one.eligible else NAN for c in criteria] for one in prompts], chosen
    )
    corner = np.array([pareto.worst(metric, levels(c.scale)) for metric, c in zip(chosen, criteria, strict=True)])
    signs = np.array([1.0 if metric.higher_is_better else -1.0 for metric in chosen])
    return Archive(
        metrics={name: metric.name for name, metric in metrics.items()},
        higher_is_better={c.name: metric.higher_is_better for c, metric in zip(criteria, chosen, strict=True)},
        reference={c.name: float(value) for c, value in zip(criteria, corner * signs, strict=True)},
        prompts=tuple(prompts),
        front=tuple(int(at) for at in pareto.non_dominated(points)),
        hypervolume=pareto.hypervolume(points, corner),
        hypervolume_initial=pareto.hypervolume(points[:1], corner),
        picks={
            "weighted": pareto.weighted(points),
            "worst criterion": pareto.worst_criterion(points),
            "knee": pareto.knee(points),
            "feasible": pareto.feasible(points, points[0]),
        },
        note=_note(apart),
    )


def _note(apart: bool) -> str:
    words = "Agreement on the validation rows, which chose; the hypervolume of a run can only rise from step to step."
    return f"{words} Every criterion was judged apart." if apart else words


def _together(steps: Sequence[Step]) -> Iterator[Archived]:
    initial = steps[0].measured
    if initial is None:
        return
    yield Archived(0, "initial", steps[0].instructions, initial.values)
    for before, step in pairwise(steps):
        for candidate in (*step.candidates, *([step.merged] if step.merged else [])):
            # The archive compares instructions.
            if candidate.measured is not None and candidate.demonstrations is None:
                origin = "merged" if candidate is step.merged else "candidate"
                texts = {**before.instructions, **candidate.instructions}
                held = _covers(candidate, initial.coverage)
                yield Archived(step.index, origin, texts, candidate.measured.values, held)


def _covers(candidate: Candidate, initial: Mapping[str, float]) -> bool:
    """Whether no criterion lost more rows than a gate would allow."""
    measured = candidate.measured
    return measured is not None and all(
        share >= initial[name] - COVERAGE_SLACK for name, share in measured.coverage.items()
    )


def _apart(
    steps: Sequence[Step], metrics: Sequence[agreement.Metric], criteria: Sequence[Criterion]
) -> Iterator[Archived]:
    """Under ST: the initial prompt, and the best of each criterion's own run, put together."""
    best: dict[str, Archived] = {}
    initial: dict[str, Archived] = {}
    for criterion, metric in zip(criteria, metrics, strict=True):
        name = criterion.name
        own = list(_together([step for step in steps if step.criteria == (name,)]))
        if not own:
            return
        worths = [_worth(one, metric, name) for one in own]
        initial[name], best[name] = own[0], own[worths.index(max(worths))]
    yield _put_together("initial", initial)
    yield _put_together("combined", best)


def _worth(one: Archived, metric: agreement.Metric, name: str) -> float:
    value = one.values[name]
    if math.isnan(value) or not one.eligible:
        return -math.inf
    return value if metric.higher_is_better else -value


def _put_together(origin: str, parts: Mapping[str, Archived]) -> Archived:
    return Archived(
        step=max(one.step for one in parts.values()),
        origin=origin,
        instructions={name: one.instructions[name] for name, one in parts.items()},
        values={name: one.values[name] for name, one in parts.items()},
        eligible=all(one.eligible for one in parts.values()),
    )


def _distinct(prompts: Iterator[Archived]) -> list[Archived]:
    """Each different prompt once, as it was first met."""
    found: dict[tuple[tuple[str, str], ...], Archived] = {}
    for one in prompts:
        found.setdefault(tuple(sorted(one.instructions.items())), replace(one, instructions=dict(one.instructions)))
    return list(found.values())
