"""The audit of scores that a user already has, from any tool: files in, everything known of the judge out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyjudge.audits.agreement import agreements, detectable
from polyjudge.audits.annotators import annotators, verdict
from polyjudge.audits.bias import biases, drifts, judge_halo
from polyjudge.audits.contests import contests
from polyjudge.audits.interference import MARGIN, interferences
from polyjudge.audits.read import THE_JUDGE, NamedTable, Rows, judge_names, read_files, rows_table, score_table
from polyjudge.audits.table import ScoreTable
from polyjudge.connect.inspect import inspect_table, is_inspect_log
from polyjudge.datasets.load import Criteria, load_rubric
from polyjudge.errors import ConfigError, DataError, QualityGateFailed
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
        criteria: a criteria file or mapping; without it criteria and scales are guessed from the columns.
        drift: a column along which errors may move, such as a date or a batch.
        margin: the loss of agreement by sharing a call that the recommended packing accepts.
        fail_under: metric -> the worst mean over the criteria that passes, for every judgement.
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
    rubric = load_rubric(criteria) if criteria is not None else None
    table = score_table(_tables(scores, rubric), rubric, drift)
    found = _audit(table, drift, margin, seed)
    _hold(found, bounds)
    return found


def read_bounds(given: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """``METRIC=X`` texts as numbers.

    Raises:
        ConfigError: another form, or an unknown metric.
    """
    if isinstance(given, Mapping):
        pairs = [(str(name), str(value)) for name, value in given.items()]
    else:
        pairs = [(name.strip(), value.strip()) for name, _, value in (text.partition("=") for text in given)]
    bounds = {}
    for name, value in pairs:
        if name not in agreement.names():
            raise ConfigError(
                f"--fail-under {name}={value}: unknown metric; choose one of {', '.join(agreement.names())}"
            )
        try:
            bounds[name] = float(value)
        except ValueError:
            raise ConfigError(f"--fail-under {name}={value}: {value!r} is no number; write METRIC=X") from None
        if not math.isfinite(bounds[name]):
            raise ConfigError(f"--fail-under {name}={value}: write a finite number")
    return bounds


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
    raters = annotators(table.rows, seed)
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
        detectable=detectable(table),
        agreements=tuple(row for one in table.judgements for row in agreements(table, one, seed)),
        biases=tuple(row for one in table.judgements for row in biases(table, one, seed)),
        halos=tuple(one for one in halos if one is not None),
        drifts=tuple(row for one in table.judgements for row in drifts(table, one, drift, seed)) if drift else (),
        contests=contests(table),
        interferences=interferences(table, margin),
        notes=table.notes,
    )


def _hold(found: Audit, bounds: Mapping[str, float]) -> None:
    """Compare with the bounds; what is undefined has not passed."""
    failed = []
    for name, bound in bounds.items():
        better = agreement.metric_of(name)
        for judge, layout in found.judgements:
            value = found.agreement(name, judge=judge, layout=layout)
            passed = value >= bound if better.higher_is_better else value <= bound
            if not passed:
                told = "undefined" if math.isnan(value) else f"{value:.4f}"
                who = f"{judge}, {layout}" if layout else judge
                failed.append(
                    f"{who}: mean {name} {told}, wanted {bound:g} or {'more' if better.higher_is_better else 'less'}"
                )
    if failed:
        raise QualityGateFailed("; ".join(failed), found)
