"""An audit as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from polyjudge.audits.agreement import MEAN, Agreement
from polyjudge.audits.contests import Contest
from polyjudge.formatting.text import (
    Form,
    interval,
    listed,
    many,
    many_of,
    number,
    p_value,
    percent,
    signed,
    table_text,
)
from polyjudge.metrics.estimates import Estimate
from polyjudge.results.audit import Audit

# judge, layout, criterion, metric, grouping
Key = tuple[str, str, str, str, str]


def audit_lines(audit: Audit) -> Iterator[str]:
    """The whole audit."""
    unit = "documents" if audit.documents else "rows"
    yield f"# Audit of {audit.source}"
    yield ""
    yield f"{many_of(audit.items, 'items', audit.documents, 'documents')}. Intervals are 95 % and resample {unit}."
    yield from audit.columns
    if audit.guessed:
        scales = "; ".join(f"{name} {scale}" for name, scale in audit.scales.items())
        yield f"Criteria and scales were guessed from the columns ({scales}); name them with --criteria to be sure."
    yield from audit.notes
    yield from _annotators(audit)
    yield from _agreements(audit)
    yield from _slices(audit)
    yield from _systems(audit)
    yield from _strengths(audit)
    yield from _biases(audit)
    yield from _drifts(audit)
    if audit.contests:
        yield from _section("Which judgement agrees better", "")
        yield from _contests(audit.contests)
        yield ""
        yield (
            f"Tests: Student's t of the difference, its error by leaving out one of the {unit} at a time. "
            f"Holm's rule corrects p-values and intervals together for the "
            f"{many(len(audit.contests), 'comparisons')} of this table. Verdicts follow the intervals."
        )
    for interference in audit.interferences:
        yield from _section(
            f"Interference: {interference.judge}, {interference.together} against {interference.apart}",
            f"A = together ({interference.together}), B = apart ({interference.apart}), the same items."
            if interference.rows
            else "",
        )
        if interference.rows:
            yield from _contests(interference.rows)
            yield ""
            yield "; ".join(f"{name}: {decision}" for name, decision in interference.decisions.items()) + "."
        yield interference.recommendation


def _annotators(audit: Audit) -> Iterator[str]:
    yield from _section("The annotators", audit.annotators_verdict)
    rows = [
        (
            annotator.criterion,
            str(annotator.raters),
            number(annotator.alpha.value),
            _of(annotator.alpha),
            number(annotator.reliability.value, "-"),
            _of(annotator.reliability, "-"),
            number(annotator.limit.value, "-"),
            _of(annotator.limit, "-"),
            annotator.agree,
        )
        for annotator in audit.annotators
    ]
    columns = ("Krippendorff's alpha", "95 % interval", "reliability of their mean", "95 % interval")
    limit = ("noise-free judge", "95 % interval", "agree")
    yield from table_text(rows, ("criterion", "raters", *columns, *limit))
    yield ""
    yield (
        "A noise-free judge would correlate with the raters' mean at the square root of its reliability. "
        "One annotator's agreement with the others, below, is no upper bound: the mean of several is less noisy."
    )


def _agreements(audit: Audit) -> Iterator[str]:
    yield from _section("Agreement", _shown(audit))
    by = {(row.judge, row.layout, row.criterion, row.metric, row.grouping): row for row in audit.agreements}
    keys = list(dict.fromkeys(key[:3] for key in by))
    same = set(audit.own_metrics.values())
    metric_of = {**audit.own_metrics, **({MEAN: next(iter(same))} if len(same) == 1 else {})}
    shown = [key for key in keys if key[2] in metric_of and (*key, metric_of[key[2]], "pooled") in by]
    columns = ("judge", "criterion", "metric", "value", "95 % interval", "one annotator", "by document", "coverage")
    yield from table_text([_main(by, key, metric_of[key[2]]) for key in shown], columns)
    yield ""
    metrics = list(dict.fromkeys(row.metric for row in audit.agreements))
    others = [metric for metric in metrics if same != {metric}]
    if others:
        yield "All statistics, pooled; in brackets the best that a constant answer reaches:"
        yield ""
        figures = ([_other(by.get((*key, metric, "pooled"))) for metric in others] for key in keys)
        cells = [(_who(*key[:2]), key[2], *row) for key, row in zip(keys, figures, strict=True)]
        yield from table_text(cells, ("judge", "criterion", *others))


def _slices(audit: Audit) -> Iterator[str]:
    for column in dict.fromkeys(row.column for row in audit.slices):
        yield from _section(
            f"By {column}",
            "Agreement in the rows of each value, with a 95 % interval of their own. Level: judge minus people.",
        )
        rows = [
            (
                _who(row.judge, row.layout),
                row.criterion,
                _shortened(row.value) or "(empty)",
                f"{row.rows:,}",
                row.metric,
                number(row.agreement.value),
                _of(row.agreement),
                signed(row.level.value, "-"),
                _of(row.level, "-", form=signed),
                percent(row.coverage),
            )
            for row in audit.slices
            if row.column == column
        ]
        figures = ("metric", "value", "95 % interval", "level", "95 % interval", "coverage")
        yield from table_text(rows, ("judge", "criterion", column, "rows", *figures))


def _systems(audit: Audit) -> Iterator[str]:
    if not audit.systems:
        return
    unit = "documents" if audit.documents else "rows"
    yield from _section(
        f"Systems ({audit.systems[0].column})",
        f"Correlation of the systems' mean scores with their mean ratings. Intervals resample systems and {unit}.",
    )
    rows = [
        (
            _who(one.judge, one.layout),
            one.criterion,
            str(len(one.means)),
            number(one.kendall.value),
            _of(one.kendall),
            number(one.pearson.value),
            _of(one.pearson),
        )
        for one in audit.systems
    ]
    figures = ("Kendall", "95 % interval", "Pearson", "95 % interval")
    yield from table_text(rows, ("judge", "criterion", "systems", *figures))
    yield ""
    means = [
        (_who(one.judge, one.layout), one.criterion, _shortened(name), f"{items:,}", number(people), number(judged))
        for one in audit.systems
        for name, items, judged, people in one.means
    ]
    yield from table_text(means, ("judge", "criterion", "system", "items", "people's mean", "judge's mean"))


def _strengths(audit: Audit) -> Iterator[str]:
    if not audit.strengths:
        return
    yield from _section(
        "Strengths",
        "Bradley-Terry, log odds against an average system, on the comparisons that both decided; ties are halves.",
    )
    rows = [
        (
            _who(one.judge, one.layout),
            one.criterion,
            _shortened(one.system),
            f"{one.comparisons:,}",
            signed(one.human.value),
            _of(one.human, form=signed),
            signed(one.judged.value),
            _of(one.judged, form=signed),
        )
        for one in audit.strengths
    ]
    figures = ("by people", "95 % interval", "by the judge", "95 % interval")
    yield from table_text(rows, ("judge", "criterion", "system", "comparisons", *figures))


def _shown(audit: Audit) -> str:
    """Which difference these scores and ratings can show."""
    shown = audit.detectable
    if not math.isnan(shown.mean):
        what = f"mean {shown.metric}" if len(audit.scales) > 1 else shown.metric
        return f"A difference of {number(shown.mean)} in {what} between two judges can be shown. {shown.assumptions}"
    known = [f"{number(value)} on {name}" for name, value in shown.criteria.items() if not math.isnan(value)]
    if known:
        return f"A difference between two judges can be shown of {', '.join(known)}. {shown.assumptions}"
    return (
        "Which difference between two judges can be shown is unknown: there are too few ratings, or all are the same."
    )


def _main(by: Mapping[Key, Agreement], key: tuple[str, str, str], metric: str) -> tuple[str, ...]:
    row, within = by[*key, metric, "pooled"], by.get((*key, metric, "document-skip"))
    annotator = number(row.one_annotator, "unknown")
    if not math.isnan(row.one_annotator) and abs(row.beside_annotator - row.value) > 5e-4:
        annotator += f" (the judge on the same rows {number(row.beside_annotator)})"
    return (
        _who(row.judge, row.layout),
        row.criterion,
        metric,
        number(row.value),
        interval(row.low, row.high, "not given", form=number),
        annotator,
        "-" if within is None else number(within.value),
        percent(row.coverage),
    )


def _other(row: Agreement | None) -> str:
    if row is None:
        return "-"
    return number(row.value) + ("" if math.isnan(row.floor) else f" ({number(row.floor)})")


def _biases(audit: Audit) -> Iterator[str]:
    if audit.biases:
        yield from _section(
            "Bias",
            "Level: judge minus people, in units of the scale. Spread: standard deviation of judge over people.",
        )
        rows = [
            (
                _who(b.judge, b.layout),
                b.criterion,
                signed(b.level.value),
                _of(b.level, form=signed),
                number(b.spread.value),
                _of(b.spread),
                percent(b.modal_share) + (" (collapsed)" if b.collapsed else ""),
            )
            for b in audit.biases
        ]
        columns = ("judge", "criterion", "level", "95 % interval", "spread", "95 % interval", "commonest score")
        yield from table_text(rows, columns)
    if audit.halos:
        yield from _section("Halo", "Mean Spearman correlation between the criteria of an item.")
        halos = [
            (
                _who(h.judge, h.layout),
                number(h.halo.judge),
                number(h.halo.human),
                signed(h.halo.excess.value),
                _of(h.halo.excess, form=signed),
            )
            for h in audit.halos
        ]
        yield from table_text(halos, ("judge", "judge's", "people's", "excess", "95 % interval"))


def _drifts(audit: Audit) -> Iterator[str]:
    if not audit.drifts:
        return
    yield from _section(
        f"Drift along {audit.drifts[0].column}",
        "Trend: Spearman of judge minus people with the column. Parts: its quarters or values, with their level.",
    )
    rows = []
    for drift in audit.drifts:
        parts = listed(f"{_shortened(name)} {signed(level)} ({count})" for name, count, level in drift.parts)
        figures = (signed(drift.trend.value), _of(drift.trend, form=signed))
        rows.append((_who(drift.judge, drift.layout), drift.criterion, *figures, parts))
    yield from table_text(rows, ("judge", "criterion", "trend", "95 % interval", "parts"))


def _contests(rows: Iterable[Contest]) -> list[str]:
    cells = [
        (
            f"{row.a} - {row.b}",
            row.criterion,
            row.metric,
            signed(row.difference),
            interval(row.low, row.high, "not given"),
            p_value(row.p_value),
            p_value(row.p_holm),
            row.verdict,
        )
        for row in rows
    ]
    return table_text(cells, ("A - B", "criterion", "metric", "difference", "interval", "p", "p (Holm)", "verdict"))


def _section(title: str, text: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    if text:
        yield text
        yield ""


def _who(judge: str, layout: str) -> str:
    return f"{judge}, {layout}" if layout else judge


def _of(estimate: Estimate, unknown: str = "not given", *, form: Form = number) -> str:
    return interval(estimate.low, estimate.high, unknown, form=form)


def _shortened(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
