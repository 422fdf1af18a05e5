"""The audit of scores that a user already has, from any tool: files in, everything known of the judge out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyjudge.audits.agreement import MEAN, agreements, detectable
from polyjudge.audits.annotators import annotators, verdict
from polyjudge.audits.bias import biases, drifts, judge_halo
from polyjudge.audits.contests import contests, observed
from polyjudge.audits.interference import MARGIN, interferences
from polyjudge.audits.read import THE_JUDGE, NamedTable, Rows, judge_names, read_files, rows_table, score_table
from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.connect.inspect import inspect_table, is_inspect_log
from polyjudge.datasets.criteria import rubric_from
from polyjudge.datasets.load import Criteria, load_rubric
from polyjudge.datasets.yamlfile import read_yaml
from polyjudge.errors import ConfigError, DataError, QualityGateFailed
from polyjudge.judge.measure import own_metric
from polyjudge.metrics import agreement
from polyjudge.results.audit import Audit

if TYPE_CHECKING:
    from polyjudge.domain.dataset import Rubric

Files = str | Path | Sequence[str | Path]


def audit(
    scores: Files | Rows,
    *,
    criteria: Criteria | None = None,
    drift: str = "",
    margin: float = MARGIN,
    fail_under: Mapping[str, float] | Sequence[str] = (),
    seed: int = 0,
) -> Audit:
    """Audit one or more judges; no model is asked.

    Args:
        scores: one or several files in the wide or long form of docs/audit.md, Inspect logs, rows, or a data frame.
        criteria: a criteria file or mapping, of which an audit needs names and scales only; without it criteria,
            scales and raters are guessed from the columns.
        drift: a column along which errors may move, such as a date or a batch.
        margin: the loss of agreement by sharing a call that the recommended packing accepts.
        fail_under: ``METRIC=X`` or ``METRIC:CRITERION=X``, or such a mapping: the worst value that passes, for every
            judgement; of the mean over the criteria where none is named. METRIC ``primary`` is each criterion's own,
            and holds every criterion where these differ.
        seed: of resamples and permutations.

    Raises:
        InputError: files or criteria that cannot be used.
        QualityGateFailed: a judgement is below ``fail_under``; the audit itself is its attribute ``audit``.
    """
    bounds = read_bounds(fail_under)
    if not 0 <= margin < math.inf:
        raise ConfigError(f"--margin {margin:g}: give a loss of agreement, 0 or more")
    if seed < 0:
        raise ConfigError(f"--seed {seed}: give a whole number, 0 or more")
    rubric = _rubric(criteria) if criteria is not None else None
    table = score_table(_tables(scores, rubric), rubric, drift)
    found = _audit(table, drift, margin, seed)
    _hold(found, bounds)
    return found


@dataclass(frozen=True, slots=True)
class Bound:
    """A quality gate of an audit: the worst ``value`` of a metric that passes, on one criterion or the mean."""

    metric: str
    criterion: str
    value: float


def read_bounds(given: Mapping[str, float] | Sequence[str]) -> tuple[Bound, ...]:
    """``METRIC=X`` and ``METRIC:CRITERION=X`` texts, or a mapping of what stands before the sign, as bounds.

    Raises:
        ConfigError: another form, or an unknown metric.
    """
    if isinstance(given, Mapping):
        pairs = [(str(name), str(value)) for name, value in given.items()]
    else:
        pairs = [(name.strip(), value.strip()) for name, _, value in (_halves(text) for text in given)]
    bounds = []
    for name, value in pairs:
        metric, _, criterion = (part.strip() for part in name.partition(":"))
        if metric not in agreement.names():
            raise ConfigError(
                f"--fail-under {name}={value}: unknown metric {metric!r}; write METRIC=X or METRIC:CRITERION=X with "
                f"one of {', '.join(agreement.names())}"
            )
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(
                f"--fail-under {name}={value}: {value!r} is no number; write METRIC=X or METRIC:CRITERION=X"
            ) from None
        if not math.isfinite(number):
            raise ConfigError(f"--fail-under {name}={value}: write a finite number")
        bounds.append(Bound(metric, criterion, number))
    return tuple(bounds)


def _halves(text: str) -> tuple[str, str, str]:
    """What stands before and after the last equals sign; nothing after where there is none."""
    return text.rpartition("=") if "=" in text else (text, "", "")


def _rubric(criteria: Criteria) -> Rubric:
    """The rubric of a criteria file; a task and inputs, which an audit has no use for, may be left out."""
    mapping = read_yaml(Path(criteria)) if isinstance(criteria, (str, Path)) else criteria
    if not isinstance(mapping, Mapping):
        return load_rubric(criteria)
    source = str(criteria) if isinstance(criteria, (str, Path)) else "the given criteria"
    return rubric_from({"task": "Audit.", "inputs": {"(item)": "Item"}} | dict(mapping), source)


def _tables(scores: Files | Rows, rubric: Rubric | None) -> list[NamedTable]:
    if isinstance(scores, (str, Path)):
        scores = [scores]
    if isinstance(scores, Sequence) and all(isinstance(one, (str, Path)) for one in scores):
        paths = [Path(str(one)) for one in scores]
        if not paths:
            raise DataError("no file of scores was named; give one or more")
        named = dict(zip(paths, judge_names(paths), strict=True)) if len(paths) > 1 else {paths[0]: ""}
        logs = {path: judge for path, judge in named.items() if is_inspect_log(path)}
        tables = [NamedTable(judge, inspect_table(path, rubric, judge)) for path, judge in logs.items()]
        return [*tables, *read_files({path: judge or THE_JUDGE for path, judge in named.items() if path not in logs})]
    return rows_table(scores)  # type: ignore[arg-type]


def _audit(table: ScoreTable, drift: str, margin: float, seed: int) -> Audit:
    own = {criterion.name: own_metric(criterion) for criterion in table.criteria}
    figures = tuple(row for one in table.judgements for row in agreements(table, one, seed))
    plain = [row for row in figures if row.grouping == "pooled" and row.metric == own.get(row.criterion)]
    raters = annotators(table.rows, seed, {row.criterion for row in plain if row.low > 0})
    compared = contests(table)
    measured = [row.value for row in plain if not math.isnan(row.value)]
    power = observed(compared) or detectable(table, sum(measured) / len(measured) if measured else math.nan)
    halos = [judge_halo(table, one, seed) for one in table.judgements]
    return Audit(
        source=table.source,
        items=len(table.ids),
        documents=table.rows.n_units if table.rows.documents else 0,
        scales={criterion.name: criterion.scale.describe() for criterion in table.criteria},
        guessed=table.guessed,
        judgements=tuple((one.judge, one.layout) for one in table.judgements),
        annotators=raters,
        annotators_verdict=verdict(raters),
        detectable=power,
        agreements=figures,
        biases=tuple(row for one in table.judgements for row in biases(table, one, seed)),
        halos=tuple(one for one in halos if one is not None),
        drifts=tuple(row for one in table.judgements for row in drifts(table, one, drift, seed)) if drift else (),
        contests=compared,
        interferences=interferences(table, margin),
        notes=table.notes,
        columns=table.columns,
        own_metrics=own,
    )


def _hold(found: Audit, bounds: Sequence[Bound]) -> None:
    """Compare with the bounds; what is undefined has not passed."""
    failed = [line for bound in bounds for line in _failures(found, bound)]
    if failed:
        raise QualityGateFailed("; ".join(failed), found)


def _failures(found: Audit, bound: Bound) -> Iterator[str]:
    """A line for each judgement that a bound does not let pass."""
    if bound.criterion and bound.criterion not in found.scales:
        raise ConfigError(
            f"--fail-under {bound.metric}:{bound.criterion}: no such criterion; choose one of "
            f"{', '.join(map(repr, found.scales))}"
        )
    apart = bound.metric == "primary" and len(set(found.own_metrics.values())) > 1
    criteria = [bound.criterion] if bound.criterion else list(found.scales) if apart else [MEAN]
    for criterion in criteria:
        own = found.own_metrics.get(criterion) or next(iter(found.own_metrics.values()))
        metric = agreement.metric_of(own if bound.metric == "primary" else bound.metric)
        for judge, layout in found.judgements:
            value = found.agreement(metric.name, criterion, judge=judge, layout=layout)
            if value >= bound.value if metric.higher_is_better else value <= bound.value:
                continue
            who, figure = Judgement.named(judge, layout), "undefined" if math.isnan(value) else f"{value:.4f}"
            what = f"mean {metric.name}" if criterion == MEAN else f"{metric.name} on {criterion}"
            wanted = "or more" if metric.higher_is_better else "or less"
            yield f"{who}: {what} {figure}, wanted {bound.value:g} {wanted}"
