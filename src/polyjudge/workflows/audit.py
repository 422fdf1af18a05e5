"""The audit of existing scores from any tool: it reads files and reports everything known of the judge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polyjudge.audits.agreement import MEAN, agreements, detectable
from polyjudge.audits.annotators import annotators, verdict
from polyjudge.audits.bias import biases, drifts, judge_halo
from polyjudge.audits.contests import contests, observed
from polyjudge.audits.interference import MARGIN, interferences
from polyjudge.audits.read import Rows
from polyjudge.audits.slices import slices, systems
from polyjudge.audits.sources import Files, read_scores
from polyjudge.audits.strengths import pair_strengths
from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.datasets.load import Criteria
from polyjudge.errors import ConfigError, QualityGateFailed
from polyjudge.judge.measure import own_metric
from polyjudge.metrics import agreement
from polyjudge.metrics.metric import Metric
from polyjudge.results.audit import Audit


def audit(
    scores: Files | Rows,
    *,
    criteria: Criteria | None = None,
    drift: str = "",
    by: str | Sequence[str] = (),
    system: str = "",
    metrics: Sequence[Metric] = (),
    margin: float = MARGIN,
    fail_under: Mapping[str, float] | Sequence[str] = (),
    seed: int = 0,
) -> Audit:
    """Audit one or more judges; no model is asked.

    Args:
        scores: one or several files in the wide or long form of docs/audit.md, Inspect logs, rows, a data frame, or
            the name of recorded scores that come with the package (``hanna``).
        criteria: a criteria file or mapping, of which names and scales suffice; without it criteria, scales and
            raters are guessed from the columns.
        drift: a column along which errors may move, such as a date or a batch.
        by: columns; the agreement in the rows of each of their values is shown with its interval.
        system: the column that names the system that wrote an item; the correlation of the systems' means is shown. Of
            preferences two columns, as "first,second"; the systems' Bradley-Terry strengths are shown.
        metrics: further metrics as objects, beside the registered ones; ``fail_under`` may name them.
        margin: the loss of agreement by sharing a call that the recommended packing accepts.
        fail_under: ``METRIC=X`` or ``METRIC:CRITERION=X``, or such a mapping: the worst value that passes, for every
            judgement, on a criterion or else the mean over the criteria. METRIC ``primary`` is each criterion's own
            metric; if these differ, every criterion must pass.
        seed: of resamples and permutations.

    Raises:
        InputError: files or criteria that cannot be used.
        QualityGateFailed: a judgement is below ``fail_under``; the audit itself is its attribute ``audit``.
    """
    measured = _measured(metrics)
    bounds = read_bounds(fail_under, tuple(measured))
    if not 0 <= margin < math.inf:
        raise ConfigError(f"--margin {margin:g}: give a loss of agreement, 0 or more")
    if seed < 0:
        raise ConfigError(f"--seed {seed}: give a whole number, 0 or more")
    columns = tuple(dict.fromkeys([by] if isinstance(by, str) else by))
    named = tuple(name.strip() for name in system.split(",") if name.strip())
    if len(named) > 2:
        raise ConfigError(f"--system {system}: name one column, or the two of a comparison")
    table = read_scores(scores, criteria, drift, beside=tuple(dict.fromkeys(filter(None, (*columns, *named)))))
    used = [metric for name, metric in measured.items() if name != "primary"]
    report = _parted(_audit(table, drift, margin, seed, used), table, columns, named, seed)
    _check_bounds(report, bounds)
    return report


def _parted(report: Audit, table: ScoreTable, columns: Sequence[str], systems_in: tuple[str, ...], seed: int) -> Audit:
    """The audit with its slices, and with its systems or their strengths."""
    judged = table.judgements
    found = [row for column in columns for judgement in judged for row in slices(table, judgement, column, seed)]
    if len(systems_in) == 2:
        pair = systems_in[0], systems_in[1]
        strong = tuple(row for judgement in judged for row in pair_strengths(table, judgement, pair, seed))
        return replace(report, slices=tuple(found), strengths=strong)
    level = [row for column in systems_in for judgement in judged for row in systems(table, judgement, column, seed)]
    return replace(report, slices=tuple(found), systems=tuple(level))


@dataclass(frozen=True, slots=True)
class Bound:
    """A quality gate of an audit: the worst ``value`` of a metric that passes, on one criterion or the mean."""

    metric: str
    criterion: str
    value: float


def _measured(passed: Sequence[Metric]) -> dict[str, Metric]:
    """All metrics by name: the registered ones, then those that were passed.

    Raises:
        ConfigError: one that was passed has the name of another.
    """
    metrics = {name: agreement.metric_of(name) for name in agreement.names()}
    for metric in passed:
        if metrics.setdefault(metric.name, metric) is not metric:
            raise ConfigError(f"metrics: another metric is called {metric.name!r}; give this one its own name")
    return metrics


def read_bounds(bounds: Mapping[str, float] | Sequence[str], known: Sequence[str]) -> tuple[Bound, ...]:
    """The bounds of ``METRIC=X`` and ``METRIC:CRITERION=X`` texts, or of a mapping METRIC or METRIC:CRITERION -> X.

    Args:
        bounds: the texts or the mapping.
        known: the names of the metrics.

    Raises:
        ConfigError: another form, or an unknown metric.
    """
    if isinstance(bounds, Mapping):
        pairs = [(str(name), str(value)) for name, value in bounds.items()]
    else:
        pairs = [(name.strip(), value.strip()) for name, _, value in (_halves(text) for text in bounds)]
    checked = []
    for name, value in pairs:
        metric, _, criterion = (part.strip() for part in name.partition(":"))
        if metric not in known:
            raise ConfigError(
                f"--fail-under {name}={value}: unknown metric {metric!r}; write METRIC=X or METRIC:CRITERION=X with "
                f"one of {', '.join(known)}"
            )
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(
                f"--fail-under {name}={value}: {value!r} is no number; write METRIC=X or METRIC:CRITERION=X"
            ) from None
        if not math.isfinite(number):
            raise ConfigError(f"--fail-under {name}={value}: write a finite number")
        checked.append(Bound(metric, criterion, number))
    return tuple(checked)


def _halves(text: str) -> tuple[str, str, str]:
    """The text before and after the last equals sign; nothing after if there is none."""
    return text.rpartition("=") if "=" in text else (text, "", "")


def _audit(table: ScoreTable, drift: str, margin: float, seed: int, metrics: Sequence[Metric]) -> Audit:
    own_metrics = {criterion.name: own_metric(criterion) for criterion in table.criteria}
    rows = tuple(row for judgement in table.judgements for row in agreements(table, judgement, seed, metrics))
    primary = [row for row in rows if row.grouping == "pooled" and row.metric == own_metrics.get(row.criterion)]
    raters = annotators(table.rows, seed, {row.criterion for row in primary if row.low > 0})
    compared = contests(table)
    measured = [row.value for row in primary if not math.isnan(row.value)]
    power = observed(compared) or detectable(table, sum(measured) / len(measured) if measured else math.nan)
    halos = [judge_halo(table, judgement, seed) for judgement in table.judgements]
    return Audit(
        source=table.source,
        items=len(table.ids),
        documents=table.rows.n_units if table.rows.documents else 0,
        scales={criterion.name: criterion.scale.describe() for criterion in table.criteria},
        guessed=table.guessed,
        judgements=tuple((judgement.judge, judgement.layout) for judgement in table.judgements),
        annotators=raters,
        annotators_verdict=verdict(raters),
        detectable=power,
        agreements=rows,
        biases=tuple(row for judgement in table.judgements for row in biases(table, judgement, seed)),
        halos=tuple(halo for halo in halos if halo is not None),
        drifts=tuple(row for judgement in table.judgements for row in drifts(table, judgement, drift, seed))
        if drift
        else (),
        contests=compared,
        interferences=interferences(table, margin),
        notes=table.notes,
        columns=table.columns,
        own_metrics=own_metrics,
        higher_is_better={metric.name: metric.higher_is_better for metric in metrics},
    )


def _check_bounds(report: Audit, bounds: Sequence[Bound]) -> None:
    """Compare with the bounds; an undefined value does not pass."""
    failures = [line for bound in bounds for line in _failures(report, bound)]
    if failures:
        raise QualityGateFailed("; ".join(failures), report)


def _failures(report: Audit, bound: Bound) -> Iterator[str]:
    """One line for each judgement that fails a bound."""
    if bound.criterion and bound.criterion not in report.scales:
        raise ConfigError(
            f"--fail-under {bound.metric}:{bound.criterion}: no such criterion; choose one of "
            f"{', '.join(map(repr, report.scales))}"
        )
    mixed = bound.metric == "primary" and len(set(report.own_metrics.values())) > 1
    criteria = [bound.criterion] if bound.criterion else list(report.scales) if mixed else [MEAN]
    for criterion in criteria:
        primary = report.own_metrics.get(criterion) or next(iter(report.own_metrics.values()))
        metric = primary if bound.metric == "primary" else bound.metric
        higher = report.higher_is_better[metric]
        for judge, layout in report.judgements:
            value = report.agreement(metric, criterion, judge=judge, layout=layout)
            if value >= bound.value if higher else value <= bound.value:
                continue
            who, figure = Judgement.named(judge, layout), "undefined" if math.isnan(value) else f"{value:.4f}"
            what = f"mean {metric}" if criterion == MEAN else f"{metric} on {criterion}"
            wanted = "or more" if higher else "or less"
            yield f"{who}: {what} {figure}, wanted {bound.value:g} {wanted}"
