"""Count the calls of a study, cell by cell, before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from polyjudge.llm.prices import Tariff
from polyjudge.results.money import PlannedRole
from polyjudge.workflows.costs import priced
from polyjudge.workflows.plan import planned
from polyjudge.workflows.study_file import Study
from polyjudge.workflows.study_grid import PreparedRun

# The metrics by which the paper picked single instructions for a combined prompt.
PICKED_BY = ("spearman", "off_by_one")


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One run, or one of the evaluations that a study adds to its runs.

    Attributes:
        name: of the run, or of the additional evaluation.
        roles: planned calls by role, without parse and network retries, those shared with other cells among them.
        shared: the judge calls that an earlier cell makes, at least; this cell takes their answers from the cache.
    """

    name: str
    roles: tuple[PlannedRole, ...]
    shared: int = 0

    @property
    def calls(self) -> int:
        """The most calls to be paid."""
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
        paid = role.calls - self.shared
        return replace(
            role,
            calls=paid,
            prompt_tokens=round(role.prompt_tokens * paid / role.calls),
            completion_tokens=round(role.completion_tokens * paid / role.calls),
            cost=None if role.cost is None else role.cost * paid / role.calls,
        )


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The plan of a study; no model was asked.

    Attributes:
        study: its name.
        cells: the runs, and the additional evaluations.
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


def plan_of_study(study: Study, prepared_runs: Sequence[PreparedRun], tariffs: Mapping[str, Tariff]) -> StudyPlan:
    """The plan of a study's runs, re-tests and combined prompts, priced."""
    tested: set[str] = set()
    validated_prompts: set[str] = set()
    cells = []
    for prepared in prepared_runs:
        shared = _test_calls(prepared) if prepared.judged in tested else 0
        tested.add(prepared.judged)
        if prepared.run_setup.setups[0].gate.measures:
            shared += (
                _calls(prepared, len(prepared.run_setup.split.validation))
                if prepared.judged in validated_prompts
                else 0
            )
            validated_prompts.add(prepared.judged)
        cells.append(PlannedCell(prepared.cell.name, _roles(prepared), shared))
    all_cells = (*cells, *_in_addition(study, prepared_runs))
    return StudyPlan(study.name, tuple(replace(cell, roles=priced(cell.roles, tariffs)) for cell in all_cells))


def retests(study: Study, prepared: PreparedRun) -> int:
    """How often a run's initial prompt is judged again; 0 if the answers would be the same."""
    if prepared.config.mode == "ST" or not prepared.warm:
        return 0
    return prepared.readings - 1 if study.retests is None else study.retests


def _roles(prepared: PreparedRun) -> tuple[PlannedRole, ...]:
    return planned(prepared.config, prepared.run_setup)


def _calls(prepared: PreparedRun, rows: int) -> int:
    judge = prepared.run_setup.judge
    return rows * len(judge.groups(prepared.run_setup.prompt)) * judge.scoring.samples


def _test_calls(prepared: PreparedRun) -> int:
    return _calls(prepared, len(prepared.run_setup.split.test))


def validated(prepared: PreparedRun) -> bool:
    """Whether a run's steps are judged on the validation rows afterwards, because its gate did not."""
    return prepared.config.protocol == "paper" and not prepared.run_setup.setups[0].gate.measures


def combinations(prepared_runs: Sequence[PreparedRun]) -> list[tuple[PreparedRun, int]]:
    """The runs whose judge evaluates combined instructions of mode ST, one for each seed, and for how many prompts."""
    combinations: dict[tuple[object, ...], tuple[PreparedRun, int]] = {}
    for prepared in prepared_runs:
        partner = partner_of(prepared, prepared_runs) if prepared.config.mode == "ST" else None
        if partner is None:
            continue
        # One prompt of the fitted instructions; if the test rows are read during the run, two more are picked on them.
        prompts = 1 if prepared.config.protocol == "sealed" else 1 + len(PICKED_BY)
        key = (prepared.cell.block, prepared.cell.seed)
        combinations[key] = (partner, prompts + combinations.get(key, (partner, 0))[1])
    return [*combinations.values()]


def partner_of(prepared: PreparedRun, prepared_runs: Sequence[PreparedRun]) -> PreparedRun | None:
    """A run that judges all criteria in one call and differs only in its mode."""

    def alike(other: PreparedRun) -> bool:
        axes = {axis for axis in prepared.cell.values if axis != "mode"}
        return all(prepared.cell.values[axis] == other.cell.values[axis] for axis in axes)

    return next(
        (
            other
            for other in prepared_runs
            if (other.cell.block, other.cell.seed) == (prepared.cell.block, prepared.cell.seed)
            and other.config.mode != "ST"
            and len(other.run_setup.judge.groups(other.run_setup.prompt)) == 1
            and alike(other)
        ),
        None,
    )


def _in_addition(study: Study, prepared_runs: Sequence[PreparedRun]) -> list[PlannedCell]:
    planned_cells = []
    once = {prepared.judged: prepared for prepared in reversed(prepared_runs) if retests(study, prepared)}
    for prepared in once.values():
        name = f"re-tests of the initial prompt, {' '.join(prepared.cell.block)}, seed {prepared.cell.seed}"
        planned_cells.append(_judging(name, prepared, retests(study, prepared)))
    for prepared in filter(validated, prepared_runs):
        calls = _calls(prepared, len(prepared.run_setup.split.validation)) * (1 + prepared.config.steps)
        planned_cells.append(_judging(f"validation of the steps of {prepared.cell.name}", prepared, calls=calls))
    for prepared, times in combinations(prepared_runs):
        name = f"single instructions combined, {' '.join(prepared.cell.block)}, seed {prepared.cell.seed}"
        planned_cells.append(_judging(name, prepared, times))
    return sorted(planned_cells, key=lambda cell: cell.name)


def _judging(name: str, prepared: PreparedRun, repeats: int = 0, *, calls: int = 0) -> PlannedCell:
    judge = next(role for role in _roles(prepared) if role.role == "judge")
    calls = calls or repeats * _test_calls(prepared)
    mean_tokens = (judge.prompt_tokens / judge.calls, judge.completion_tokens / judge.calls)
    role = PlannedRole("judge", judge.model, calls, round(calls * mean_tokens[0]), round(calls * mean_tokens[1]))
    return PlannedCell(name, (role,))
