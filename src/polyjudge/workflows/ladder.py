"""The ladder of a fit: the judge after each rung, and what climbing it took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from polyjudge.combining.fitted import FittedJury
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.judge.measure import scores
from polyjudge.judge.predict import Judge
from polyjudge.llm.accounts import Accounts
from polyjudge.metrics.levels import Matrix
from polyjudge.results.rungs import BASELINE

# The name of a single judge among the members of what is fitted upon it, as judge files have it.
ALONE = "judge"


@dataclass(frozen=True, slots=True)
class Seat:
    """One judge that is asked, and with what prompt."""

    judge: Judge
    prompt: JudgePrompt

    @property
    def text(self) -> str:
        """``expected, joint``."""
        shown = len(self.prompt.demonstrations)
        parts = (self.judge.scoring.name, str(self.judge.layout), f"{shown} demonstrations" if shown else "")
        return ", ".join(filter(None, parts))

    def like(self, other: Seat) -> bool:
        """Whether both ask the same."""
        return self.prompt == other.prompt and self.text == other.text

    @property
    def calls_a_row(self) -> int:
        return len(self.judge.groups(self.prompt)) * self.judge.scoring.samples


@dataclass(frozen=True, slots=True)
class Standing:
    """The judge on a rung.

    Attributes:
        chair: the single judge, or the one that a jury was built around.
        members: of a jury, by name; empty: the chair alone.
        fitted: how the scores of the members, or of the chair alone, become one; None: they stay as they are.
    """

    chair: Seat
    members: tuple[tuple[str, Seat], ...] = ()
    fitted: FittedJury | None = None

    @property
    def panel(self) -> tuple[tuple[str, Seat], ...]:
        """All that are asked."""
        return self.members or ((ALONE, self.chair),)

    @property
    def text(self) -> str:
        """``jury of 3, calibrated``."""
        fitted = self.fitted
        ridge = "ridge" if fitted is not None and fitted.ridge is not None else ""
        mapped = "calibrated" if fitted is not None and any(fitted.maps) else ""
        who = f"jury of {len(self.members)}" if self.members else self.chair.text
        return ", ".join(filter(None, (who, mapped, ridge)))

    @property
    def calls_a_row(self) -> int:
        return sum(seat.calls_a_row for _, seat in self.panel)

    def like(self, other: Standing) -> bool:
        """Whether both judges give the same scores."""
        pairs = zip(self.panel, other.panel, strict=False)
        alike = len(self.panel) == len(other.panel) and all(one.like(its) for (_, one), (_, its) in pairs)
        return alike and self.fitted == other.fitted

    def scores(self, names: Sequence[str], answers: Answers) -> Matrix:
        """The scores (n, K) of rows, from what the members said of them."""
        given = {member: scores(names, answers.of(seat)) for member, seat in self.panel}
        return self.fitted.combine(given).scores if self.fitted is not None else given[self.panel[0][0]]

    def predictions(self, names: Sequence[str], answers: Answers) -> tuple[Prediction, ...]:
        """The same as predictions; exactly the only member's where nothing is fitted."""
        said = [answers.of(seat) for _, seat in self.panel]
        if self.fitted is None:
            return said[0]
        rows = zip(zip(*said, strict=True), self.scores(names, answers).tolist(), strict=True)
        return tuple(
            Prediction(
                members[0].example,
                dict(zip(names, row, strict=True)),
                tuple(call for member in members for call in member.calls),
            )
            for members, row in rows
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """What different judges said of the same rows."""

    said: tuple[tuple[Seat, tuple[Prediction, ...]], ...]

    def of(self, seat: Seat) -> tuple[Prediction, ...]:
        """The predictions of a judge.

        Raises:
            KeyError: it was not asked.
        """
        for asked, predictions in self.said:
            if asked.like(seat):
                return predictions
        raise KeyError(f"no predictions of {seat.text}")


def seats_of(standings: Iterable[Standing]) -> list[Seat]:
    """The different judges that are asked, in order."""
    found: list[Seat] = []
    for standing in standings:
        for _, seat in standing.panel:
            if not any(seat.like(other) for other in found):
                found.append(seat)
    return found


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

    @property
    def prompt(self) -> JudgePrompt:
        """The prompt that stands, of a jury its chair's."""
        return self.top.chair.prompt

    def _spent(self) -> tuple[int, float | None]:
        """Answers so far, from the cache or not, and what was paid in this invocation."""
        rows = self.accounts.snapshot()
        costs = [row.cost for row in rows if row.cost is not None]
        calls = sum(row.answered + row.from_cache + row.joined for row in rows)
        return calls, math.fsum(costs) if costs else None


def measured_seats(seat: Seat, prompts: Iterable[tuple[str, JudgePrompt]]) -> list[tuple[str, Seat]]:
    """The judge with each of some prompts, the different ones, by name."""
    found: list[tuple[str, Seat]] = []
    for name, prompt in prompts:
        one = replace(seat, prompt=prompt)
        if not any(one.like(other) for _, other in found):
            found.append((name, one))
    return found
