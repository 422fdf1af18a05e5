"""A finished run, taken up again from its folder: settings, data, prompts and steps as they were.

predictions.jsonl: how people and both prompts score each test row, for whoever wants to see more than a figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from polyjudge import codec
from polyjudge.codec import UNWRITTEN_AT_DEFAULT
from polyjudge.datasets.load import Data, load_dataset
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction, Step
from polyjudge.errors import DataError
from polyjudge.formatting.text import listed, many
from polyjudge.judge.measure import levels
from polyjudge.llm.accounts import RoleAccount
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import RatedRows
from polyjudge.results.choice import Choice
from polyjudge.results.judge_file import JudgeFile, read_judge
from polyjudge.results.outcome import Outcome
from polyjudge.results.store import INITIAL_JUDGE, JUDGE, ORIGIN, PREDICTIONS, RESULT, read_lines, read_steps
from polyjudge.settings.config import RunConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run folder holds.

    Attributes:
        path: the folder.
        config: its settings, with the scoring method, layout and address that it used.
        facts: config.json as it stands.
        steps: all of them.
        initial: the judge before the fit.
        fitted: the judge after it.
    """

    path: Path
    config: RunConfig
    facts: Mapping[str, Any]
    steps: tuple[Step, ...]
    initial: JudgeFile
    fitted: JudgeFile

    @property
    def prompt(self) -> JudgePrompt:
        """The fitted one."""
        return self.fitted.prompt

    def dataset(self, data: Data | None = None) -> Dataset:
        """The data of the run, found where they were, or as they are given.

        Raises:
            DataError: they are not there, or not the same.
        """
        source = data if data is not None else _origin(self.path)
        found = load_dataset(source, self.initial.rubric, limit=self.config.limit)
        if found.digest != self.facts.get("data_digest"):
            raise DataError(
                f"the data {found.source!r} are not those of the run {str(self.path)!r}: texts, ratings or rows "
                f"differ; name the right ones with --data"
            )
        return found


def how_to_go_on(folder: Path) -> str:
    """What an unfinished run holds, and the command that goes on with it."""
    facts = _object(folder / "config.json", "name the folder of a run of optimize")
    steps = sum(1 for _ in read_steps(folder))
    try:
        origin = json.loads((folder / ORIGIN).read_text("utf-8"))
    except (OSError, ValueError):
        origin = None
    data = origin.get("data") if isinstance(origin, dict) else None
    return (
        f"the run {str(folder)!r} has not ended: it holds {many(steps, 'steps')}, and goes on with its own command, "
        f"polyjudge optimize {data or facts.get('data') or 'DATA'} --output {folder} and the options that it had"
    )


def read_finished(path: str | Path) -> FinishedRun:
    """A run from its folder.

    Raises:
        DataError: it is no run of optimize, or a whole study, has not ended, or was written by an unlike version.
    """
    folder = Path(path)
    if (folder / "study.json").exists():
        raise DataError(_that_it_is_a_study(folder))
    facts = _object(folder / "config.json", "name the folder of a run of optimize")
    steps = tuple(read_steps(folder))
    if not (folder / RESULT).exists():
        raise DataError(f"{how_to_go_on(folder)}; then diagnose it")
    initial, fitted = read_judge(folder / INITIAL_JUDGE), read_judge(folder / JUDGE)
    used = {
        "scoring": fitted.scoring,
        "layout": fitted.layout,
        "structured": fitted.structured,
        # What was measured is decided: nothing is left to choose.
        "rungs": "words",
        "base_url": initial.base_url,
    }
    known = {name: value for name, value in facts.items() if name in RunConfig.model_fields}
    try:
        config = RunConfig.model_validate(known | used)
    except ValidationError as error:
        raise DataError(
            f"{str(folder / 'config.json')!r} was written by another version of polyjudge: "
            f"{error.errors()[0]['msg']}; run optimize again"
        ) from None
    return FinishedRun(folder, config, facts, steps, initial, fitted)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """result.json: what a run achieved and took."""

    outcome: Outcome
    accounts: tuple[RoleAccount, ...]
    seconds: float
    layout: Choice | None = None


def read_run_summary(path: Path) -> RunSummary:
    """What a run achieved and took, from its folder.

    Raises:
        DataError: it has no result.json, or not a readable one.
    """
    return codec.record(RunSummary, _bytes(path / RESULT), repr(str(path / RESULT)))


def read_record(kind: type[T], file: Path) -> T | None:
    """The record that a file of a run holds as a whole; None where there is no such file.

    Raises:
        DataError: it cannot be read, or holds another record.
    """
    return codec.record(kind, _bytes(file), repr(str(file))) if file.exists() else None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {str(file)!r}: {error.strerror or error}; name the folder of a run") from error


def _that_it_is_a_study(folder: Path) -> str:
    ended = sorted(repr(str(one.parent)) for one in folder.glob(f"runs/*/{RESULT}"))
    runs = f"name one of its runs: {listed(ended)}" if ended else "none of its runs has ended"
    return f"{str(folder)!r} is a study, not a run; {runs} (polyjudge report tells of a study as a whole)"


def _origin(path: Path) -> str:
    found = _object(path / ORIGIN, "name the data with --data").get("data")
    if not isinstance(found, str) or not found:
        raise DataError(f"the run {str(path)!r} had its rows from memory; give them again (data=..., or --data FILE)")
    return found


def _object(file: Path, remedy: str) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {str(file)!r}: {error.strerror or error}; {remedy}") from error
    except (ValueError, RecursionError):
        raise DataError(f"{str(file)!r} is not JSON; {remedy}") from None
    if not isinstance(found, dict):
        raise DataError(f"{str(file)!r} holds no object; {remedy}")
    return found


@dataclass(frozen=True, slots=True)
class RowScores:
    """One test row; its texts stay where the data are.

    Attributes:
        id: as in the data.
        document: the unit of the evidence it belongs to, as ``Outcome.unit`` calls it; None when it is its own.
        human: criterion -> the raters' mean (categorical: majority); nan = nobody rated it, or an earlier row has the
            same texts and counts for both.
        initial: criterion -> the initial prompt's score; nan = unscored.
        fitted: criterion -> the fitted prompt's.
        notice: as in ``Step``.
        reasons: criterion -> the fitted judge's reason, where the scoring method asks for one.
    """

    id: str
    document: str | None
    human: Mapping[str, float]
    initial: Mapping[str, float]
    fitted: Mapping[str, float]
    notice: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict, metadata=UNWRITTEN_AT_DEFAULT)


def row_scores(
    people: RatedRows,
    examples: Sequence[Example],
    initial: Sequence[Prediction],
    fitted: Sequence[Prediction],
    notice: str = "",
) -> Iterator[RowScores]:
    """The rows in their order, with the predictions of both prompts in the same order."""
    documents = people.documents or (None,) * len(examples)
    rows = zip(examples, documents, people.human.tolist(), initial, fitted, strict=True)
    for example, document, human, before, after in rows:
        yield RowScores(
            example.id,
            None if document is None else str(document),
            dict(zip(people.names, human, strict=True)),
            {name: before.score(name) for name in people.names},
            {name: after.score(name) for name in people.names},
            notice,
            after.reasons,
        )


def read_row_scores(run: Path) -> tuple[RowScores, ...]:
    """The test rows of a run; none where its folder is of a version that kept none."""
    file = run / PREDICTIONS
    return tuple(read_lines(file, RowScores)) if file.exists() else ()


def people_of(rows: Sequence[RowScores], criteria: Sequence[Criterion], unit: str) -> RatedRows:
    """What people said of the rows, as the metrics take it."""
    documents = tuple(row.document for row in rows if row.document is not None)
    scales = tuple(levels(criterion.scale) for criterion in criteria)
    names = tuple(criterion.name for criterion in criteria)
    return RatedRows(matrix_of(rows, criteria, "human"), scales, documents or None, unit, names)


def matrix_of(rows: Sequence[RowScores], criteria: Sequence[Criterion], what: str) -> Matrix:
    """``human``, ``initial`` or ``fitted`` of the rows, (n, K)."""
    cells = [[getattr(row, what)[criterion.name] for criterion in criteria] for row in rows]
    return np.array(cells, dtype=float).reshape(len(rows), len(criteria))
