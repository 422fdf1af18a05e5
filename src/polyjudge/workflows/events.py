"""The events of a run, which its observer is called with. An observer changes nothing in the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from polyjudge.diagnosis.records import StepDiagnostics
from polyjudge.domain.records import Step
from polyjudge.results.choice import Choice
from polyjudge.results.money import PlannedRole


@dataclass(frozen=True, slots=True)
class Planned:
    """The run begins: its folder, its steps and its calls by role."""

    folder: str
    steps: int
    roles: tuple[PlannedRole, ...]


@dataclass(frozen=True, slots=True)
class Configured:
    """The judge's configuration has been decided: the choice, and the plan of the whole run with it."""

    choice: Choice
    roles: tuple[PlannedRole, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Answers so far: asked of a model, and taken from the cache."""

    asked: int
    from_cache: int


@dataclass(frozen=True, slots=True)
class Expected:
    """How many calls a scoring makes at most, parse retries not counted."""

    calls: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should read."""

    text: str


@dataclass(frozen=True, slots=True)
class StudyPlanned:
    """A study begins: its folder, its runs, and its calls at most."""

    folder: str
    cells: int
    calls: int


@dataclass(frozen=True, slots=True)
class InCell:
    """A step of one of a study's runs, and how many steps the run has."""

    cell: str
    steps: int
    event: Step


@dataclass(frozen=True, slots=True)
class CellEnded:
    """A run of a study has ended, was already complete, or failed."""

    cell: str
    verdict: str
    done: int
    cells: int


Event = Planned | Expected | Configured | Counted | Noted | Step | StepDiagnostics | StudyPlanned | InCell | CellEnded
Observer = Callable[[Event], None]


def unwatched(event: Event) -> None:
    """The observer that ignores every event."""
