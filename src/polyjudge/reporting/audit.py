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


def audit_lines(found: Audit) -> Iterator[str]:
    """The whole audit."""
    unit = "documents" if found.documents else "rows"
    yield f"# Audit of {found.source}"
    yield ""
    yield f"{many_of(found.items, 'items', found.documents, 'documents')}. Intervals are 95 % and resample {unit}."
    yield from found.columns
    if found.guessed:
        scales = "; ".join(f"{name} {scale}" for name, scale in found.scales.items())
        yield f"Criteria and scales were guessed from the columns ({scales}); name them with --criteria to be sure."
    yield from found.notes
    yield from _annotators(found)
    yield from _agreements(found)
    yield from _biases(found)
    yield from _drifts(found)
    if found.contests:
        yield from _section("Which judgement agrees better", "")
        yield from _contests(found.contests)
        yield ""
        yield (
            f"Tests: Student's t of the difference, its error by leaving out one of the {unit} at a time. "
            f"Holm's rule corrects p-values and intervals together for the "
            f"{many(len(found.contests), 'comparisons')} of this table. Verdicts follow the intervals."
        )
    for one in found.interferences:
        yield from _section(
            f"Interference: {one.judge}, {one.together} against {one.apart}",
            f"A = together ({one.together}), B = apart ({one.apart}), the same items." if one.rows else "",
        )
        if one.rows:
            yield from _contests(one.rows)
            yield ""
            yield "; ".join(f"{name}: {decision}" for name, decision in one.decisions.items()) + "."
        yield one.recommendation


def _annotators(found: Audit) -> Iterator[str]:
    yield from _section("The annotators", found.annotators_verdict)
    rows = [
        (
            one.criterion,
            str(one.raters),
            number(one.alpha.value),
            _of(one.alpha),
            number(one.reliability.value, "-"),
            _of(one.reliability, "-"),
            number(one.limit.value, "-"),
            _of(one.limit, "-"),
            one.agree,
        )
        for one in found.annotators
    ]
    columns = ("Krippendorff's alpha", "95 % interval", "reliability of their mean", "95 % interval")
    limit = ("noise-free judge", "95 % interval", "agree")
    yield from table_text(rows, ("criterion", "raters", *columns, *limit))
    yield ""
    yield (
        "A noise-free judge would correlate with the raters' mean at the square root of its reliability. "
        "One annotator's agreement with the others, below, is no upper bound: the mean of several is less noisy."
    )


def _agreements(found: Audit) -> Iterator[str]:
    yield from _section("Agreement", _shown(found))
    by = {(row.judge, row.layout, row.criterion, row.metric, row.grouping): row for row in found.agreements}
    keys = list(dict.fromkeys(key[:3] for key in by))
    same = set(found.own_metrics.values())
    own = {**found.own_metrics, **({MEAN: next(iter(same))} if len(same) == 1 else {})}
    told = [key for key in keys if key[2] in own and (*key, own[key[2]], "pooled") in by]
    columns = ("judge", "criterion", "metric", "value", "95 % interval", "one annotator", "by document", "coverage")
    yield from table_text([_main(by, key, own[key[2]]) for key in told], columns)
    yield ""
    metrics = list(dict.fromkeys(row.metric for row in found.agreements))
    others = [metric for metric in metrics if same != {metric}]
    if others:
        yield "All statistics, pooled; in brackets the best that a constant answer reaches:"
        yield ""
        figures = ([_other(by.get((*key, metric, "pooled"))) for metric in others] for key in keys)
        cells = [(_who(*key[:2]), key[2], *row) for key, row in zip(keys, figures, strict=True)]
        yield from table_text(cells, ("judge", "criterion", *others))


def _shown(found: Audit) -> str:
    """Which difference these scores and ratings can show."""
    shown = found.detectable
    if not math.isnan(shown.mean):
        what = f"mean {shown.metric}" if len(found.scales) > 1 else shown.metric
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


def _biases(found: Audit) -> Iterator[str]:
    if found.biases:
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
            for b in found.biases
        ]
        columns = ("judge", "criterion", "level", "95 % interval", "spread", "95 % interval", "commonest score")
        yield from table_text(rows, columns)
    if found.halos:
        yield from _section("Halo", "Mean Spearman correlation between the criteria of an item.")
        halos = [
            (
                _who(h.judge, h.layout),
                number(h.halo.judge),
                number(h.halo.human),
                signed(h.halo.excess.value),
                _of(h.halo.excess, form=signed),
            )
            for h in found.halos
        ]
        yield from table_text(halos, ("judge", "judge's", "people's", "excess", "95 % interval"))


def _drifts(found: Audit) -> Iterator[str]:
    if not found.drifts:
        return
    yield from _section(
        f"Drift along {found.drifts[0].column}",
        "Trend: Spearman of judge minus people with the column. Parts: its quarters or values, with their level.",
    )
    rows = []
    for one in found.drifts:
        parts = listed(f"{_shortened(name)} {signed(level)} ({count})" for name, count, level in one.parts)
        figures = (signed(one.trend.value), _of(one.trend, form=signed))
        rows.append((_who(one.judge, one.layout), one.criterion, *figures, parts))
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


def _of(one: Estimate, unknown: str = "not given", *, form: Form = number) -> str:
    return interval(one.low, one.high, unknown, form=form)


def _shortened(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
