"""What a run tells whoever watches it. Watching changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from polyjudge.domain.records import Step
from polyjudge.experiments.plan import PlannedRole


@dataclass(frozen=True, slots=True)
class Planned:
    """The run begins: its folder, its steps and its calls by role."""

    folder: str
    steps: int
    roles: tuple[PlannedRole, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Answers so far: asked of a model, and taken from the journal."""

    asked: int
    from_journal: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should read."""

    text: str


Event = Planned | Counted | Noted | Step
Observer = Callable[[Event], None]


def unwatched(event: Event) -> None:
    """The observer of a run that nobody watches."""
