"""What can be said before anything is paid: rows, splits, leaks, ceilings, floors, power, and the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polyjudge.audits.annotators import Annotators, annotators, verdict
from polyjudge.datasets.load import Criteria, Data, load
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Split
from polyjudge.domain.example import Example
from polyjudge.judge.measure import levels, primary_metric, rater_matrix, ratings
from polyjudge.llm.request import Backend
from polyjudge.metrics import agreement, ceilings, power
from polyjudge.results.money import PlannedRole
from polyjudge.results.outcome import notice
from polyjudge.settings.config import RunConfig
from polyjudge.settings.merged import Settings, resolve
from polyjudge.workflows.assemble import assemble, leaks_of, split_of
from polyjudge.workflows.client import open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.events import unwatched
from polyjudge.workflows.gate_setup import blind_spots
from polyjudge.workflows.plan import plan_of
from polyjudge.workflows.sync import run

# A floor is shown where a constant judge reaches one; correlations have none.
FLOOR_METRICS = ("mae", "off_by_one", "accuracy")


@dataclass(frozen=True, slots=True)
class CriterionCheck:
    """What the ratings of one criterion allow, on all rows.

    Attributes:
        name: the criterion.
        rated: rows with a rating.
        raters: most ratings a row.
        ceiling: agreement of one rater with the others by the primary metric; nan = unknown.
        floors: metric -> the best that a constant answer reaches.
        constant: the commonest rating's share of the rated rows.
        detectable: smallest difference of the primary metric that the test rows can show; nan = unknown.
    """

    name: str
    rated: int
    raters: int
    ceiling: float
    floors: Mapping[str, float]
    constant: float
    detectable: float


@dataclass(frozen=True, slots=True)
class Check:
    """The plan of a run; nothing was asked of a model.

    Attributes:
        data: name and source.
        rows: all rows.
        documents: documents among them; 0 when the data name none.
        split_by: what kept the parts apart.
        parts: part -> rows and documents.
        leaks: lines that name what the parts share, or say that they share nothing.
        metric: the primary one.
        criteria: one a criterion.
        annotators: how far the raters of each criterion agree, on all rows.
        annotators_verdict: whether they agree enough for an alignment to make sense, in words.
        detectable: smallest difference of the mean that the test rows can show.
        assumptions: behind ``detectable``.
        roles: planned calls; empty when no model was named.
        notes: what loading changed or found, and what the validation rows cannot decide.
    """

    data: str
    rows: int
    documents: int
    split_by: str
    parts: Mapping[str, tuple[int, int]]
    leaks: tuple[str, ...]
    metric: str
    criteria: tuple[CriterionCheck, ...]
    annotators: tuple[Annotators, ...]
    annotators_verdict: str
    detectable: float
    assumptions: str
    roles: tuple[PlannedRole, ...]
    notes: tuple[str, ...]

    @property
    def calls(self) -> int:
        """Planned calls of all roles, without re-asks and retries."""
        return sum(role.calls for role in self.roles)

    @property
    def tokens(self) -> int:
        """Estimated tokens of all roles."""
        return sum(role.prompt_tokens + role.completion_tokens for role in self.roles)


def check(
    data: Data,
    *,
    criteria: Criteria | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
    **options: Any,
) -> Check:
    """Everything that is known of a run before it costs anything.

    Args:
        data: as for ``optimize``.
        criteria: as for ``optimize``.
        config: a TOML file with settings.
        backends: model name -> an opened backend.
        options: settings; without ``model`` the planned calls are left out.

    Raises:
        InputError: what ``optimize`` would refuse too.
    """
    resolved = resolve(options, config_file=config)
    resolved.check_used()
    settings = resolved.config
    dataset = load(data, criteria, limit=settings.limit)
    parts = split_of(settings, dataset)
    roles, told = run(_plan(resolved, dataset, backends or {})) if settings.model else ((), "")
    found = _check(settings, dataset, parts, roles)
    return replace(found, notes=(told, *found.notes)) if told else found


async def _plan(
    settings: Settings, dataset: Dataset, backends: Mapping[str, Backend]
) -> tuple[tuple[PlannedRole, ...], str]:
    """The planned calls, and the notice of what is simulated."""
    config = settings.config
    async with open_client(config, backends, unwatched, journal=False) as client:
        house = assemble(config, dataset, client, settings.optimizer)
        roles = priced(plan_of(config, house.setups, house.split, house.layouts), client.tariffs)
        return roles, notice(house.simulated, unrelated=not dataset.simulated)


def _check(config: RunConfig, dataset: Dataset, parts: Split, roles: tuple[PlannedRole, ...]) -> Check:
    criteria = dataset.rubric.criteria
    metric = primary_metric(criteria)
    test = ratings(criteria, parts.test)
    shown = power.smallest_detectable_difference(
        agreement.metric(metric),
        test.human,
        levels=test.levels,
        documents=test.documents,
        same_text=test.unit == "different texts",
    )
    report = leaks_of(config, parts)
    everybody = ratings(criteria, dataset.examples)
    matrices = {criterion.name: rater_matrix(criterion, dataset.examples) for criterion in criteria}
    raters = annotators(matrices, everybody.levels, everybody.documents)
    return Check(
        data=f"{dataset.name} ({dataset.source})",
        rows=len(dataset.examples),
        documents=_documents(dataset.examples),
        split_by=parts.by,
        parts={
            name: (len(rows), _documents(rows))
            for name, rows in (("train", parts.train), ("validation", parts.validation), ("test", parts.test))
        },
        leaks=tuple(report.lines()),
        metric=metric,
        criteria=tuple(
            _criterion(criterion, dataset.examples, metric, shown.per_criterion[k])
            for k, criterion in enumerate(criteria)
        ),
        annotators=raters,
        annotators_verdict=verdict(raters),
        detectable=shown.mean,
        assumptions=shown.assumptions,
        roles=roles,
        notes=(*dataset.notes, *blind_spots(config, criteria, parts.validation)),
    )


def _criterion(criterion: Criterion, examples: tuple[Example, ...], metric: str, detectable: float) -> CriterionCheck:
    scale = levels(criterion.scale)
    people = [example.human(criterion) for example in examples]
    rated = [value for value in people if not math.isnan(value)]
    raters = rater_matrix(criterion, examples)
    ceiling = ceilings.annotators_ceiling(agreement.metric(metric), raters, levels=scale)
    floors = {
        name: ceilings.constant_floor(agreement.metric(name), people, levels=scale).value
        for name in FLOOR_METRICS
        if agreement.metric(name).applies_to(scale)
    }
    return CriterionCheck(
        name=criterion.name,
        rated=len(rated),
        raters=raters.shape[1],
        ceiling=ceiling.value,
        floors=floors,
        constant=max(map(rated.count, set(rated)), default=0) / max(1, len(rated)),
        detectable=detectable,
    )


def _documents(examples: tuple[Example, ...]) -> int:
    return len({example.document for example in examples if example.document is not None})
