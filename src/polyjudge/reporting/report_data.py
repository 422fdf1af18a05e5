"""What a run's report is made of: its folder's files, and the texts of the test rows where they are to be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyjudge.diagnosis.records import Diagnosis, StepDiagnostics
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.records import Reading, Step
from polyjudge.metrics import agreement
from polyjudge.registry import lookup
from polyjudge.results.archive import Archive
from polyjudge.results.finished import (
    FinishedRun,
    RowScores,
    RunSummary,
    read_record,
    read_row_scores,
    read_run_summary,
)
from polyjudge.results.judge_file import JudgeFile
from polyjudge.results.outcome import Outcome, metric_label
from polyjudge.results.store import ARCHIVE, DIAGNOSIS, read_diagnostics, read_readings
from polyjudge.settings.objects import names_an_object

Texts = Mapping[str, Mapping[str, str]]
"""Row's id -> column -> text."""


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that is known of a run.

    Attributes:
        path: its folder.
        config: its config.json.
        summary: its result.json.
        judge: the fitted judge.
        initial: criteria with their initial instructions.
        steps: of all its setups.
        readings: the test rows as steps' prompts score them.
        rows: the test rows; empty where the folder keeps none.
        diagnostics: a line a step, when it was run with --diagnostics.
        diagnosis: None when it was not diagnosed.
        archive: None where the folder keeps none.
        texts: of the test rows; empty where they were not found.
        notes: what the data set says of itself; empty likewise.
    """

    path: Path
    config: Mapping[str, Any]
    summary: RunSummary
    judge: JudgeFile
    initial: tuple[Criterion, ...]
    steps: tuple[Step, ...]
    readings: tuple[Reading, ...]
    rows: tuple[RowScores, ...]
    diagnostics: tuple[StepDiagnostics, ...]
    diagnosis: Diagnosis | None
    archive: Archive | None
    texts: Texts
    notes: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        return self.summary.outcome

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.initial)

    @property
    def metric(self) -> agreement.Metric:
        return agreement.metric_of(self.outcome.metric)

    @property
    def on_scale(self) -> bool:
        """Whether scores are values of the scale."""
        if self.judge.samples > 1:
            return True
        if names_an_object(self.judge.scoring):
            return bool(self.judge.lineage.get("on_scale", True))
        scoring = lookup("scoring", self.judge.scoring)
        return bool(scoring.of(self.judge.prompt, self.judge.structured).on_scale)

    @property
    def metric_label(self) -> str:
        """The metric as the report calls it."""
        return metric_label(self.outcome.metric)

    @property
    def changed(self) -> bool:
        """Whether the fitted judge differs from the initial one, in its prompt or on another rung."""
        return self.rewritten or any(rung.changed for rung in self.outcome.rungs[1:])

    @property
    def part(self) -> str:
        """What differs: the "prompt" alone, or more of the "judge"."""
        return "judge" if any(rung.changed and rung.name != "words" for rung in self.outcome.rungs[1:]) else "prompt"

    @property
    def rewritten(self) -> bool:
        """Whether the steps changed the prompt."""
        return any(step.demonstrations is not None for step in self.steps) or any(
            self.judge.prompt.instructions[criterion.name] != criterion.instruction for criterion in self.initial
        )

    @property
    def last(self) -> int:
        return max((step.index for step in self.steps), default=0)

    @property
    def paper(self) -> bool:
        """Whether the run kept the paper's protocol."""
        return bool(self.config["protocol"] == "paper")


def read_report_data(run: FinishedRun, dataset: Dataset | None) -> ReportData:
    """The records of a run.

    Args:
        run: as it ended.
        dataset: its data; None where they were not found.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    path = run.path
    rows = read_row_scores(path)
    wanted = {row.id for row in rows}
    return ReportData(
        path=path,
        config=run.facts,
        summary=read_run_summary(path),
        judge=run.fitted,
        initial=run.initial.rubric.criteria,
        steps=run.steps,
        readings=tuple(read_readings(path)),
        rows=rows,
        diagnostics=read_diagnostics(path),
        diagnosis=read_record(Diagnosis, path / DIAGNOSIS),
        archive=read_record(Archive, path / ARCHIVE),
        texts={example.id: example.inputs for example in dataset.examples if example.id in wanted} if dataset else {},
        notes=dataset.notes if dataset else (),
    )
