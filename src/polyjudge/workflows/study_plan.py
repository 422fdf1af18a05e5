"""What a study will ask, cell by cell, counted before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from polyjudge.llm.prices import Tariff
from polyjudge.results.money import PlannedRole
from polyjudge.workflows.costs import priced
from polyjudge.workflows.plan import plan_of as plan_of_run
from polyjudge.workflows.study_file import Study
from polyjudge.workflows.study_grid import Ready

# As the paper picked single instructions for one prompt.
PICKED_BY = ("spearman", "off_by_one")


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One run, or one of the judgings that a study adds to its runs.

    Attributes:
        name: of the run, or what is judged in addition.
        roles: planned calls by role, without parse and network retries, those shared with other cells among them.
        shared: judge calls that an earlier cell asks for and this one has from the cache, at least.
    """

    name: str
    roles: tuple[PlannedRole, ...]
    shared: int = 0

    @property
    def calls(self) -> int:
        """Calls to be paid, at most."""
        return sum(role.calls for role in self.paid)

    @property
    def tokens(self) -> int:
        """Estimated tokens of these calls."""
        return sum(role.prompt_tokens + role.completion_tokens for role in self.paid)

    @property
    def paid(self) -> tuple[PlannedRole, ...]:
        """The roles without the shared calls."""
        return tuple(self._without_shared(role) for role in self.roles)

    def _without_shared(self, role: PlannedRole) -> PlannedRole:
        if role.role != "judge" or not role.calls:
            return role
        kept = role.calls - self.shared
        return replace(
            role,
            calls=kept,
            prompt_tokens=round(role.prompt_tokens * kept / role.calls),
            completion_tokens=round(role.completion_tokens * kept / role.calls),
            cost=None if role.cost is None else role.cost * kept / role.calls,
        )


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The plan of a study; nothing was asked of a model.

    Attributes:
        study: its name.
        cells: the runs, and what is judged in addition.
        notes: what a reader of the figures must know.
    """

    study: str
    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        return sum(cell.calls for cell in self.cells)

    @property
    def tokens(self) -> int:
        return sum(cell.tokens for cell in self.cells)


def plan_of(study: Study, ready: Sequence[Ready], tariffs: Mapping[str, Tariff]) -> StudyPlan:
    """The plan of a study's runs, re-tests and combined prompts, priced."""
    seen: set[str] = set()
    measured: set[str] = set()
    cells = []
    for one in ready:
        shared = _test_calls(one) if one.judged in seen else 0
        seen.add(one.judged)
        if one.house.setups[0].gate.measures:
            shared += _calls(one, len(one.house.split.validation)) if one.judged in measured else 0
            measured.add(one.judged)
        cells.append(PlannedCell(one.cell.name, _roles(one), shared))
    every = (*cells, *_in_addition(study, ready))
    return StudyPlan(study.name, tuple(replace(cell, roles=priced(cell.roles, tariffs)) for cell in every))


def retests(study: Study, one: Ready) -> int:
    """How often a run's initial prompt is judged again; never, where the answers would be the same."""
    if one.config.mode == "ST" or not one.warm:
        return 0
    return one.readings - 1 if study.retests is None else study.retests


def _roles(one: Ready) -> tuple[PlannedRole, ...]:
    return plan_of_run(one.config, one.house.setups, one.house.split, one.house.layouts)


def _calls(one: Ready, rows: int) -> int:
    judge = one.house.judge
    return rows * len(judge.groups(one.house.prompt)) * judge.scoring.samples


def _test_calls(one: Ready) -> int:
    return _calls(one, len(one.house.split.test))


def validated(one: Ready) -> bool:
    """Whether a run's steps are judged on the validation rows afterwards: it had no gate that did."""
    return one.config.protocol == "paper" and not one.house.setups[0].gate.measures


def combinations(ready: Sequence[Ready]) -> list[tuple[Ready, int]]:
    """The runs whose judge is asked about combined instructions of mode ST, and how many prompts; once by seed."""
    found: dict[tuple[object, ...], tuple[Ready, int]] = {}
    for one in ready:
        partner = partner_of(one, ready) if one.config.mode == "ST" else None
        if partner is None:
            continue
        # One prompt of what the run's gate left; where the test rows are read on the way, two that are picked on them.
        prompts = 1 if one.config.protocol == "sealed" else 1 + len(PICKED_BY)
        key = (one.cell.block, one.cell.seed)
        found[key] = (partner, prompts + found.get(key, (partner, 0))[1])
    return [*found.values()]


def partner_of(one: Ready, ready: Sequence[Ready]) -> Ready | None:
    """A run that judges all criteria in one call, alike but for its mode."""

    def alike(other: Ready) -> bool:
        axes = {axis for axis in one.cell.values if axis != "mode"}
        return all(one.cell.values[axis] == other.cell.values[axis] for axis in axes)

    return next(
        (
            other
            for other in ready
            if (other.cell.block, other.cell.seed) == (one.cell.block, one.cell.seed)
            and other.config.mode != "ST"
            and len(other.house.judge.groups(other.house.prompt)) == 1
            and alike(other)
        ),
        None,
    )


def _in_addition(study: Study, ready: Sequence[Ready]) -> list[PlannedCell]:
    found = []
    once = {one.judged: one for one in reversed(ready) if retests(study, one)}
    for one in once.values():
        told = f"re-tests of the initial prompt, {' '.join(one.cell.block)}, seed {one.cell.seed}"
        found.append(_judging(told, one, retests(study, one)))
    for one in filter(validated, ready):
        calls = _calls(one, len(one.house.split.validation)) * (1 + one.config.steps)
        found.append(_judging(f"validation of the steps of {one.cell.name}", one, calls=calls))
    for one, times in combinations(ready):
        told = f"single instructions combined, {' '.join(one.cell.block)}, seed {one.cell.seed}"
        found.append(_judging(told, one, times))
    return sorted(found, key=lambda cell: cell.name)


def _judging(name: str, one: Ready, times: int = 0, *, calls: int = 0) -> PlannedCell:
    judge = next(role for role in _roles(one) if role.role == "judge")
    calls = calls or times * _test_calls(one)
    each = (judge.prompt_tokens / judge.calls, judge.completion_tokens / judge.calls)
    role = PlannedRole("judge", judge.model, calls, round(calls * each[0]), round(calls * each[1]))
    return PlannedCell(name, (role,))
