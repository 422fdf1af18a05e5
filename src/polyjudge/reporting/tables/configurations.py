"""Runs as the tables read them: a block is a data set with a judge, a configuration its runs of all seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.metrics import agreement
from polyjudge.metrics.estimates import Estimate, Estimates
from polyjudge.metrics.levels import Matrix, Vector
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.replicated import replicated_difference
from polyjudge.metrics.significance import corrected
from polyjudge.results.study import Extra, RunRecord, StudyRecord, metric_of


@dataclass(frozen=True, slots=True)
class Configuration:
    """The runs that differ in their seed only.

    Attributes:
        values: axis -> value.
        runs: by seed.
        people: of their test rows.
    """

    values: Mapping[str, str]
    runs: tuple[RunRecord, ...]
    people: RatedRows

    @property
    def mode(self) -> str:
        return self.runs[0].mode

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        return self.runs[0].criteria

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    @property
    def metric(self) -> agreement.Metric:
        return agreement.metric_of(metric_of(self.runs[0]))

    @property
    def sealed(self) -> bool:
        """Whether the test rows were read once, at the end."""
        return bool(self.runs[0].config["protocol"] == "sealed")

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps after which all runs have read the test rows."""
        return tuple(sorted(set.intersection(*(set(run.scores) for run in self.runs))))

    @property
    def last(self) -> int:
        return self.steps[-1]

    @property
    def label(self) -> str:
        return " ".join(self.values.values()) or self.mode

    def scores(self, step: int) -> list[Matrix]:
        """The test scores after a step, one matrix a run."""
        return [run.scores[step] for run in self.runs]

    def by_criterion(self, step: int) -> Vector:
        """Agreement after a step, mean over the runs, (K,)."""
        return mean_agreement(self.metric, self.scores(step), self.people)

    def mean(self, step: int) -> float:
        """The unweighted mean over the criteria of ``by_criterion``."""
        return float(self.by_criterion(step).mean())

    def best(self) -> int:
        """The step with the best mean, as the paper picks it: on the test rows; the first of equals."""
        best = 0
        for step in self.steps:
            if self.metric.is_better(self.mean(step), self.mean(best)):
                best = step
        return best

    @property
    def gated(self) -> bool:
        """Whether a gate chose on the validation rows."""
        return bool(self.runs[0].config["gate"] != "none")

    def against_initial(self, step: int) -> Estimates:
        """A step against step 0, run by run."""
        return difference(self, self.scores(step), self.scores(0))


@dataclass(frozen=True, slots=True)
class Block:
    """A data set with a judge.

    Attributes:
        data: as the tables call it.
        model: as the tables call it.
        configurations: in the order of the grid.
        extras: judgings beside these runs.
    """

    data: str
    model: str
    configurations: tuple[Configuration, ...]
    extras: tuple[Extra, ...]

    def retests(self, configuration: Configuration) -> list[list[Extra]]:
        """The re-tests of a configuration's initial prompt, those of each run in turn; empty where there are none."""
        by_run = [
            [extra for extra in self.extras if extra.kind == "retest" and run.cell.name in extra.cells]
            for run in configuration.runs
        ]
        return by_run if all(by_run) else []

    def chosen(self, configuration: Configuration) -> list[Matrix]:
        """The test scores of the prompt that each run would be left with, chosen without the test rows: what stood at
        the end, without a gate the best step on the validation rows."""
        if configuration.gated or configuration.sealed:
            return configuration.scores(configuration.last)
        return [self._chosen(configuration, run) for run in configuration.runs]

    def _chosen(self, configuration: Configuration, run: RunRecord) -> Matrix:
        best: dict[str, tuple[float, int]] = {}
        for extra in self.extras:
            if extra.kind != "validated" or run.cell.name not in extra.cells:
                continue
            if extra.reading.step not in run.scores:
                continue  # The test rows were not read after this step.
            value = extra.reading.measured[0].mean
            for name in extra.reading.criteria:
                if name not in best or configuration.metric.is_better(value, best[name][0]):
                    best[name] = (value, extra.reading.step)
        steps = [best[name][1] if name in best else run.last for name in configuration.names]
        return np.column_stack([run.scores[step][:, k] for k, step in enumerate(steps)])


def blocks(study: StudyRecord) -> tuple[Block, ...]:
    """The complete runs of a study, in the order of its file."""
    by_block: dict[tuple[str, str], dict[tuple[tuple[str, str], ...], list[RunRecord]]] = {}
    for run in study.runs:
        by_values = by_block.setdefault((run.cell.data, run.cell.model), {})
        by_values.setdefault(tuple(run.cell.values.items()), []).append(run)
    made = []
    for (data, model), grouped in by_block.items():
        configurations = tuple(
            Configuration(dict(values), tuple(runs), study.people_of(runs[0])) for values, runs in grouped.items()
        )
        names = {run.cell.name for configuration in configurations for run in configuration.runs}
        extras = tuple(extra for extra in study.extras if names.intersection(extra.cells))
        made.append(Block(data, model, configurations, extras))
    return tuple(made)


def difference(
    configuration: Configuration,
    ours: Sequence[Matrix],
    theirs: Sequence[Matrix],
    run_of: Sequence[int] | None = None,
) -> Estimates:
    """Two sets of scores of a configuration's test rows, run by run."""
    return replicated_difference(configuration.metric, ours, theirs, configuration.people, run_of=run_of)


def mean_agreement(metric: agreement.Metric, scores: Sequence[Matrix], people: RatedRows) -> Vector:
    """Agreement by criterion (K,), mean over runs; nan where a run's is undefined."""
    by_run = [
        [metric(matrix[:, k], people.human[:, k], people.levels[k]) for k in range(people.human.shape[1])]
        for matrix in scores
    ]
    return np.asarray(np.mean(by_run, axis=0))


def adjusted(differences: Sequence[Estimate]) -> list[tuple[Estimate, float]]:
    """The comparisons of one table and block, corrected together: widened intervals and Holm's p-values."""
    family = corrected(differences)
    return list(zip(family.estimates, family.p_values, strict=True))
