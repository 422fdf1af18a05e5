"""The check of a run before anything is paid: rows, splits, leaks, baselines, power, and the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polyjudge.audits.annotators import Annotators, annotators, verdict
from polyjudge.datasets.load import Criteria, Data, load_dataset
from polyjudge.domain.dataset import Dataset, Split
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.formatting.notebook import snippet
from polyjudge.formatting.text import many, number, percent
from polyjudge.judge.measure import primary_metric, rated_rows
from polyjudge.judge.own_prompt import notes as own_prompt_notes
from polyjudge.llm.request import Backend
from polyjudge.metrics import agreement, baselines, power
from polyjudge.metrics.rated import RatedRows
from polyjudge.results.money import PlannedRole
from polyjudge.results.outcome import notice
from polyjudge.settings.config import RunConfig
from polyjudge.settings.given import (
    Budget,
    GateLike,
    LayoutLike,
    ModelLike,
    OptimizerLike,
    ScoringLike,
    Settings,
    explicit,
    suggests,
)
from polyjudge.settings.merged import ResolvedSettings, resolve
from polyjudge.workflows.assemble import RunSetup, assemble, leaks_of, split_of
from polyjudge.workflows.client import open_client
from polyjudge.workflows.costs import priced
from polyjudge.workflows.events import unwatched
from polyjudge.workflows.functions import takes_functions
from polyjudge.workflows.gate_setup import blind_spots
from polyjudge.workflows.plan import planned
from polyjudge.workflows.prompt import NobodyAsked, SentPrompt, sent
from polyjudge.workflows.sync import run


@dataclass(frozen=True, slots=True)
class CriterionCheck:
    """What the ratings of one criterion allow, on all rows.

    Attributes:
        name: the criterion.
        rated: rows with a rating.
        raters: the most ratings of a row.
        one_annotator: agreement of one rater with the others by the primary metric; nan = unknown.
        floors: metric -> the best value of a constant answer.
        constant: share of the commonest rating among the rated rows.
        detectable: smallest difference of the primary metric that the test rows can show; nan = unknown.
        missing: rows without a rating of this criterion.
        tied: rows whose raters' votes for a label are tied, which counts as no rating.
    """

    name: str
    rated: int
    raters: int
    one_annotator: float
    floors: Mapping[str, float]
    constant: float
    detectable: float
    missing: int = 0
    tied: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """The plan of a run; no model was asked.

    Attributes:
        data: name and source.
        rows: all rows.
        documents: their documents; 0 if the data name none.
        split_by: what separates the parts.
        parts: part -> rows and documents.
        leaks: lines that name what the parts share, or say that they share nothing.
        metric: the primary one.
        criteria: one entry per criterion.
        annotators: how far the raters of each criterion agree, on all rows.
        annotators_verdict: whether they agree enough for an alignment to make sense, in words.
        detectable: smallest difference of the mean that the test rows can show.
        assumptions: behind ``detectable``.
        roles: planned calls; empty if no model was named.
        notes: what loading changed or noticed, and what the validation rows cannot decide.
        shown: what the judge is sent about the first rows, for as many as were wanted.
        unrated: rows that were left out, because nobody rated them on any criterion.
        copies: rows that repeat the texts of earlier rows, and count with them.
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
    shown: tuple[SentPrompt, ...] = ()
    unrated: int = 0
    copies: int = 0

    def _repr_html_(self) -> str:
        parts = ", ".join(f"{name} {rows}" for name, (rows, _) in self.parts.items())
        told = [f"{many(self.rows, 'rows')}: {parts}, split by {self.split_by}", self.annotators_verdict]
        told += [f"Dropped: {'; '.join(self.dropped)}"] if self.dropped else []
        told += [f"{many(self.calls, 'calls')} planned, about {self.tokens:,} tokens"] if self.roles else []
        columns = ("criterion", "rated", "raters", "one annotator", "commonest", "smallest difference")
        rows = [
            (
                one.name,
                f"{one.rated:,}",
                str(one.raters),
                number(one.one_annotator, "unknown"),
                percent(one.constant),
                number(one.detectable),
            )
            for one in self.criteria
        ]
        return snippet(self.data, told, columns, rows)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What of the data counts for nothing, one line each; empty if everything counts."""
        whole = [(self.unrated, "without any rating"), (self.copies, "that repeat earlier ones")]
        lines = [f"{many(count, 'rows')} {what}" for count, what in whole if count]
        for criterion in self.criteria:
            parts = [f"{criterion.missing:,} without a rating"] if criterion.missing else []
            parts += [f"{criterion.tied:,} with tied votes"] if criterion.tied else []
            if parts:
                lines.append(f"{criterion.name}: {', '.join(parts)}")
        return tuple(lines)

    @property
    def calls(self) -> int:
        """Planned calls of all roles, without parse and network retries."""
        return sum(role.calls for role in self.roles)

    @property
    def tokens(self) -> int:
        """Estimated tokens of all roles."""
        return sum(role.prompt_tokens + role.completion_tokens for role in self.roles)


@suggests
@takes_functions
def check(
    data: Data,
    *,
    criteria: Criteria | None = None,
    model: ModelLike | None = None,
    optimizer: OptimizerLike | None = None,
    gate: GateLike | None = None,
    scoring: ScoringLike | None = None,
    layout: LayoutLike | None = None,
    show: int = 0,
    budget: Budget | None = None,
    settings: Settings | None = None,
    config: str | Path | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> Check:
    """Everything that is known of a run before it costs anything.

    Args:
        data: as for ``optimize``.
        criteria: as for ``optimize``.
        model: as for ``optimize``; without it the planned calls are left out.
        optimizer: as for ``optimize``.
        gate: as for ``optimize``.
        scoring: as for ``optimize``.
        layout: as for ``optimize``.
        show: for how many rows to show what the judge is sent; without a model, as to an endpoint that holds replies
            to a schema.
        budget: as for ``optimize``.
        settings: as for ``optimize``.
        config: a TOML file with settings.
        backends: model name -> an opened backend.

    Raises:
        InputError: what ``optimize`` would refuse too.
    """
    beside = {"model": model, "optimizer": optimizer, "gate": gate, "scoring": scoring, "layout": layout}
    resolved = resolve(explicit(settings, budget, beside), config_file=config)
    resolved.check_used()
    dataset = load_dataset(data, criteria, limit=resolved.config.limit)
    parts = split_of(resolved.config, dataset)
    roles, run_setup = run(_plan(resolved, dataset, backends or {})) if resolved.config.model else ((), None)
    told = list(own_prompt_notes(JudgePrompt.initial(dataset.rubric)))
    if run_setup is not None and (simulated := notice(run_setup.simulated, unrelated=not dataset.simulated)):
        told.insert(0, simulated)
    result = _check(resolved.config, dataset, parts, roles)
    shown: tuple[SentPrompt, ...] = ()
    if show > 0:
        shown = _shown(run_setup or assemble(resolved.config, dataset, NobodyAsked(), resolved.objects), show)
    return replace(result, notes=(*told, *result.notes), shown=shown)


def _shown(run_setup: RunSetup, rows: int) -> tuple[SentPrompt, ...]:
    """What the judge is sent about the first rows; of layouts that are still to be measured, in the first."""
    judge = run_setup.under(run_setup.options[0]).judge
    layouts = list(dict.fromkeys(str(option.layout) for option in run_setup.options))
    asked = [sent(judge, run_setup.prompt, example) for example in run_setup.dataset.examples[:rows]]
    measured = " or ".join(layouts)
    chosen = f"auto, which measures {measured}; {judge.layout} is shown"
    return tuple(replace(one, layout=chosen) if len(layouts) > 1 else one for one in asked)


async def _plan(
    settings: ResolvedSettings, dataset: Dataset, backends: Mapping[str, Backend]
) -> tuple[tuple[PlannedRole, ...], RunSetup]:
    """The planned calls, and the run that they belong to."""
    config = settings.config
    async with open_client(config, backends, unwatched, planning=True) as client:
        run_setup = assemble(config, dataset, client, settings.objects)
        roles = priced(planned(config, run_setup), client.tariffs)
        return roles, run_setup


def _check(config: RunConfig, dataset: Dataset, parts: Split, roles: tuple[PlannedRole, ...]) -> Check:
    criteria = dataset.rubric.criteria
    metric = primary_metric(criteria)
    shown = power.smallest_detectable_difference(agreement.metric_of(metric), rated_rows(criteria, parts.test))
    leaks = leaks_of(config, parts)
    rows = rated_rows(criteria, dataset.examples)
    raters = annotators(rows)
    copies = [_copies_note(dataset.examples, rows)] if rows.copies else []
    return Check(
        data=f"{dataset.name} ({dataset.source})",
        rows=len(dataset.examples),
        documents=_documents(dataset.examples),
        split_by=parts.by,
        parts={
            name: (len(part), _documents(part))
            for name, part in (("train", parts.train), ("validation", parts.validation), ("test", parts.test))
        },
        leaks=tuple(leaks.lines()),
        metric=metric,
        criteria=tuple(_criterion(rows, k, metric, detectable) for k, detectable in enumerate(shown.per_criterion)),
        annotators=raters,
        annotators_verdict=verdict(raters),
        detectable=shown.mean,
        assumptions=shown.assumptions,
        roles=roles,
        unrated=dataset.unrated,
        copies=rows.copies,
        notes=(*dataset.notes, *copies, *blind_spots(config, rated_rows(criteria, parts.validation))),
    )


def _criterion(rows: RatedRows, k: int, metric: str, detectable: float) -> CriterionCheck:
    scale, human, raters = rows.levels[k], rows.human[:, k], rows.raters[k]
    rated = human[~np.isnan(human)].tolist()
    tied = int((~np.isnan(raters).all(axis=1) & np.isnan(human)).sum())
    annotator = baselines.one_annotator(agreement.metric_of(metric), raters, levels=scale)
    # On metrics that can be negative, such as correlations, a constant has 0 or no value, which is not worth a column.
    metrics = [known for known in map(agreement.metric_of, agreement.names()) if not known.range.worst < 0]
    floors = {
        known.name: baselines.constant_baseline(known, human, levels=scale).value
        for known in metrics
        if known.applies_to(scale)
    }
    return CriterionCheck(
        name=rows.names[k],
        rated=len(rated),
        raters=raters.shape[1],
        one_annotator=annotator.value,
        floors={name: floor for name, floor in floors.items() if not math.isnan(floor)},
        constant=max(map(rated.count, set(rated)), default=0) / max(1, len(rated)),
        detectable=detectable,
        missing=len(human) - len(rated) - tied - rows.copies,
        tied=tied,
    )


def _documents(examples: tuple[Example, ...]) -> int:
    return len({example.document for example in examples if example.document is not None})


def _copies_note(examples: tuple[Example, ...], rows: RatedRows) -> str:
    """How rows that repeat the inputs of others are read."""
    distinct = len(examples) - rows.copies
    most = max((len(ratings) for example in examples for ratings in example.ratings.values()), default=0)
    if max(matrix.shape[1] for matrix in rows.raters) > most:
        return (
            f"{len(examples):,} rows rate {distinct:,} different texts: rows of one text are taken for its raters, so "
            f"that each text counts once"
        )
    return f"{rows.copies:,} rows repeat the texts and ratings of others and count with them, once"
