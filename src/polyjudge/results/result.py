"""What an optimisation gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from polyjudge.domain.records import Step
from polyjudge.errors import DataError, MissingExtra
from polyjudge.formatting.notebook import snippet
from polyjudge.llm.accounts import RoleAccount
from polyjudge.results.archive import Archive
from polyjudge.results.choice import Choice
from polyjudge.results.finished import read_finished, read_record, read_run_summary
from polyjudge.results.judge_file import JudgeFile
from polyjudge.results.outcome import COLUMNS, Outcome, outcome_rows
from polyjudge.results.store import ARCHIVE

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Run:
    """A finished optimisation.

    Attributes:
        path: its folder.
        steps: all steps, those of each criterion in turn under ST.
        outcome: initial against fitted prompt on the test rows.
        judge: the fitted judge.
        accounts: what was asked of whom in this invocation.
        seconds: of this invocation.
        archive: every prompt that was measured on the validation rows, and what stands out among them.
        choice: how the judge was configured; None where nothing was measured.
    """

    path: Path
    steps: tuple[Step, ...] = field(repr=False)
    outcome: Outcome
    judge: JudgeFile
    accounts: tuple[RoleAccount, ...]
    seconds: float
    archive: Archive
    choice: Choice | None = None

    @property
    def paid(self) -> bool:
        """Whether this invocation asked anything that the cache did not hold."""
        return any(account.sent for account in self.accounts)

    def __str__(self) -> str:
        """The verdict and the folder; ``repr`` holds everything."""
        return f"{self.outcome.verdict} (run {self.path})"

    def to_frame(self) -> DataFrame:
        """A pandas data frame: a row a step and criterion, with what the validation rows said after the step.

        Columns: ``step``, ``criterion``, ``status``, ``kept`` (whether the step changed its instruction), ``metric``,
        ``agreement`` and ``coverage`` (of the standing prompt; missing under gate none), ``instruction``; and
        ``notice`` where a world was simulated.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise MissingExtra("pandas", "pandas", "run.to_frame()") from None
        rows = [_row(step, name) for step in self.steps for name in step.criteria]
        told = ["notice"] if any(step.notice for step in self.steps) else []
        return DataFrame(rows, columns=["step", "criterion", *_FIGURES, "instruction", *told])

    def _repr_html_(self) -> str:
        return snippet(self.path.name, [self.outcome.verdict], COLUMNS, outcome_rows(self.outcome))


def finished_run(path: Path) -> Run:
    """A run from its folder, with what it took when it was made.

    Raises:
        DataError: it has not ended, or a file of it is missing or cannot be read.
    """
    found, taken = read_finished(path), read_run_summary(path)
    kept = read_record(Archive, path / ARCHIVE)
    if kept is None:
        raise DataError(f"the run {str(path)!r} has lost its archive.json; give its optimize command another --output")
    return Run(path, found.steps, taken.outcome, found.fitted, taken.accounts, taken.seconds, kept, taken.layout)


_FIGURES = ("status", "kept", "metric", "agreement", "coverage")


def _row(step: Step, name: str) -> dict[str, object]:
    measured = step.measured
    return {
        "step": step.index,
        "criterion": name,
        "status": step.status,
        "kept": name in step.kept,
        "metric": measured.metric if measured else None,
        "agreement": measured.values.get(name) if measured else None,
        "coverage": measured.coverage.get(name) if measured else None,
        "instruction": step.instructions[name],
        "notice": step.notice,
    }
