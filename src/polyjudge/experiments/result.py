"""What an optimisation gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from polyjudge.domain.records import Step
from polyjudge.experiments.archive import Archive
from polyjudge.experiments.choice import Choice
from polyjudge.experiments.judge_file import JudgeFile
from polyjudge.experiments.outcome import Outcome
from polyjudge.llm.accounts import RoleAccount


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
        choice: how the layout was chosen; None where it was named, or nothing could be chosen.
    """

    path: Path
    steps: tuple[Step, ...] = field(repr=False)
    outcome: Outcome
    judge: JudgeFile
    accounts: tuple[RoleAccount, ...]
    seconds: float
    archive: Archive
    choice: Choice | None = None
