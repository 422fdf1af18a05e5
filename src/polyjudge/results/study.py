"""A study at rest: what its folder says, and nothing else. Tables and reports are made from this alone."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from polyjudge import codec
from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.records import Reading, Step
from polyjudge.errors import DataError
from polyjudge.formatting.text import inert
from polyjudge.judge.measure import levels, primary_metric
from polyjudge.llm.request import SIMULATED
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import RatedRows
from polyjudge.results.judge_file import read_judge
from polyjudge.results.store import INITIAL_JUDGE, read_diagnostics, read_readings, read_steps

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A line of study.json: one run.

    Attributes:
        name: its folder below ``runs``.
        data: as the tables call it.
        model: as the tables call it.
        values: axis -> value.
        seed: of the run.
        ratings: the file below ``ratings`` that holds people's ratings of its test rows.
        failure: why it has no result; "" when it is complete.
    """

    name: str
    data: str
    model: str
    values: Mapping[str, str]
    seed: int
    ratings: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """A judging of the test rows that belongs to no run.

    Attributes:
        kind: "retest" (the initial prompt once more), "combined" (instructions of runs of one criterion each, put into
            one prompt) or "validated" (a step of a run without a gate on the validation rows, ``measured`` alone).
        cells: the runs it speaks of.
        seed: of the judging.
        chosen_by: combined: the metric that chose the instructions, "" when the runs' gates did.
        chosen_on: combined: "test", as in the paper, or "validation".
        runs: combined: criterion -> the run that its instruction is from.
        steps: combined: criterion -> the step of that run.
        texts: criterion -> instruction.
        reading: what was scored.
    """

    kind: str
    cells: tuple[str, ...]
    seed: int
    reading: Reading
    chosen_by: str = ""
    chosen_on: str = ""
    runs: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A complete run.

    Attributes:
        cell: what it is.
        config: its config.json.
        criteria: what it judges.
        steps: of all its setups.
        scores: step -> scores of the test rows (n, K), nan = unscored; only steps whose prompt has read them.
        diagnostics: of its steps; empty when it was run without --diagnostics.
    """

    cell: CellRecord
    config: Mapping[str, Any]
    criteria: tuple[Criterion, ...]
    steps: tuple[Step, ...]
    scores: Mapping[int, Matrix]
    diagnostics: tuple[StepDiagnostics, ...] = ()

    @property
    def mode(self) -> str:
        return str(self.config["mode"])

    @property
    def last(self) -> int:
        return int(self.config["steps"])

    def instructions(self, step: int) -> dict[str, str]:
        """The instructions in force after a step."""
        return {name: text for one in self.steps if one.index == step for name, text in one.instructions.items()}


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What a study's folder holds.

    Attributes:
        name: the study's.
        simulated: what of it is simulated, by name; empty when nothing is.
        axes: their names.
        runs: the complete ones.
        failed: the others.
        extras: judgings beside the runs.
        people: ratings file -> what people said of the test rows.
    """

    name: str
    simulated: tuple[str, ...]
    axes: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    failed: tuple[CellRecord, ...]
    extras: tuple[Extra, ...]
    people: Mapping[str, RatedRows]

    def people_of(self, run: RunRecord) -> RatedRows:
        return self.people[run.cell.ratings]


def read_study_folder(path: Path) -> StudyRecord:
    """The records of a study.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    content = _json(path / "study.json")
    cells = [codec.record(CellRecord, json.dumps(one), "study.json") for one in content["cells"]]
    runs = tuple(_run(path / "runs" / cell.name, cell) for cell in cells if not cell.failure)
    people = {run.cell.ratings: _people(path / "ratings" / run.cell.ratings, run.criteria) for run in runs}
    extras = _lines(path / "extras.jsonl", Extra)
    failed = tuple(cell for cell in cells if cell.failure)
    return StudyRecord(
        content["study"], tuple(content["simulated"]), tuple(content["axes"]), runs, failed, extras, people
    )


def ratings_csv(people: RatedRows, ids: Iterable[str], *, simulated: bool) -> str:
    """People's ratings of the test rows: id, unit of the evidence, a column a criterion; a notice, if nobody rated."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    mark = [SIMULATED] if simulated else []
    writer.writerow([inert(one) for one in ("id", people.unit, *people.names, *(["notice"] if simulated else []))])
    units = people.documents or [""] * len(people.human)
    for name, unit, row in zip(ids, units, people.human.tolist(), strict=True):
        ratings = ("" if math.isnan(value) else repr(value) for value in row)
        writer.writerow([inert(name), inert(str(unit)), *ratings, *mark])
    return out.getvalue()


def scores_of(readings: Iterable[Reading], criteria: Sequence[Criterion]) -> Matrix | None:
    """Scores (n, K) from the readings of one step, one or one a criterion; None when a criterion is missing."""
    scores = {name: given for reading in readings for name, given in reading.scores.items()}
    if any(criterion.name not in scores for criterion in criteria):
        return None
    return np.array([scores[criterion.name] for criterion in criteria], dtype=float).T


def metric_of(run: RunRecord) -> str:
    """The primary metric of a run."""
    return primary_metric(run.criteria)


def _run(path: Path, cell: CellRecord) -> RunRecord:
    criteria = read_judge(path / INITIAL_JUDGE).rubric.criteria
    by_step: dict[int, list[Reading]] = {}
    for reading in read_readings(path):
        by_step.setdefault(reading.step, []).append(reading)
    found = {step: scores_of(readings, criteria) for step, readings in by_step.items()}
    scores = {step: matrix for step, matrix in found.items() if matrix is not None}
    return RunRecord(
        cell, _json(path / "config.json"), criteria, tuple(read_steps(path)), scores, read_diagnostics(path)
    )


def _people(path: Path, criteria: Sequence[Criterion]) -> RatedRows:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    unit = rows[0][1]
    human = np.array(
        [[float(cell) if cell else math.nan for cell in row[2 : 2 + len(criteria)]] for row in rows[1:]], dtype=float
    )
    documents = None if unit == "rows" else tuple(row[1] for row in rows[1:])
    scales = tuple(levels(criterion.scale) for criterion in criteria)
    names = tuple(criterion.name for criterion in criteria)
    return RatedRows(human.reshape(len(rows) - 1, len(criteria)), scales, documents, unit, names)


def _lines(path: Path, kind: type[Extra]) -> tuple[Extra, ...]:
    if not path.exists():
        return ()
    texts = path.read_text("utf-8").splitlines()
    return tuple(codec.record(kind, text, f"{str(path)!r}, line {number}") for number, text in enumerate(texts, 1))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}; name the folder of a study") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is not JSON: {error}; run the study again") from error
