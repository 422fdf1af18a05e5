"""The ladder of a fit: the judge after each rung, and what climbing it took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from polyjudge.domain.prompt import JudgePrompt
from polyjudge.judge.predict import Judge
from polyjudge.llm.accounts import Accounts
from polyjudge.results.rungs import BASELINE


@dataclass(frozen=True, slots=True)
class Standing:
    """A judge on the ladder: how it asks, and with what prompt."""

    judge: Judge
    prompt: JudgePrompt

    @property
    def text(self) -> str:
        """``expected, joint``."""
        shown = len(self.prompt.demonstrations)
        parts = (self.judge.scoring.name, str(self.judge.layout), f"{shown} demonstrations" if shown else "")
        return ", ".join(filter(None, parts))

    def like(self, other: Standing) -> bool:
        """Whether both judges ask the same."""
        return self.prompt == other.prompt and self.text == other.text

    @property
    def calls_a_row(self) -> int:
        return len(self.judge.groups(self.prompt)) * self.judge.scoring.samples


@dataclass(frozen=True, slots=True)
class Reached:
    """A rung that was climbed: the judge that stands there, the calls and the money that it took."""

    name: str
    standing: Standing
    changed: bool
    calls: int = 0
    cost: float | None = None
    note: str = ""


@dataclass(slots=True)
class Ladder:
    """The rungs that a run has reached, with a book of what each took.

    Attributes:
        accounts: of the run.
        reached: the baseline first.
    """

    accounts: Accounts
    reached: list[Reached] = field(default_factory=list)
    _booked: tuple[int, float | None] = (0, None)

    def reach(self, name: str, standing: Standing, note: str = "") -> None:
        """Book everything that was asked since the rung before on this one."""
        before = self.reached[-1].standing if self.reached else standing
        changed = name != BASELINE and not standing.like(before)
        calls, cost = self._spent()
        paid = None if cost is None else cost - (self._booked[1] or 0.0)
        self.reached.append(Reached(name, standing, changed, calls - self._booked[0], paid, note))
        self._booked = calls, cost

    @property
    def top(self) -> Standing:
        """The judge after the last rung."""
        return self.reached[-1].standing

    def _spent(self) -> tuple[int, float | None]:
        """Answers so far, from the cache or not, and what was paid in this invocation."""
        rows = self.accounts.snapshot()
        costs = [row.cost for row in rows if row.cost is not None]
        calls = sum(row.answered + row.from_cache + row.joined for row in rows)
        return calls, math.fsum(costs) if costs else None


def distinct(standings: Sequence[Standing]) -> list[Standing]:
    """The different judges, in order."""
    found: list[Standing] = []
    for one in standings:
        if not any(one.like(other) for other in found):
            found.append(one)
    return found
