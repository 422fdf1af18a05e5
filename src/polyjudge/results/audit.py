"""The record of an audit, as verbs return it and pages show it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from polyjudge.audits.agreement import MEAN, Agreement, Detectable
from polyjudge.audits.annotators import Annotators
from polyjudge.audits.bias import Bias, Drift, JudgeHalo
from polyjudge.audits.contests import Contest
from polyjudge.audits.interference import Interference
from polyjudge.audits.slices import Slice, Systems
from polyjudge.audits.strengths import Strength
from polyjudge.errors import ConfigError
from polyjudge.formatting.notebook import snippet
from polyjudge.formatting.text import interval, number, percent


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything known of some judges from their scores and people's ratings.

    Attributes:
        source: the files.
        items: how many.
        documents: how many documents they are of; 0 when the files name none, and rows are resampled.
        scales: criterion -> its scale in words.
        guessed: whether criteria and scales were guessed from the columns.
        judgements: judge and layout ("" = not said) of each, in the order of their first row.
        annotators: how far the raters agree, one a criterion.
        annotators_verdict: whether an alignment to them makes sense, in words.
        detectable: what a comparison on these ratings can show.
        agreements: every statistic of every judgement.
        biases: level and spread of every judgement.
        halos: of every judgement with two ordered criteria.
        drifts: along the column that was named.
        contests: every pair of judgements, Holm-corrected.
        interferences: layouts together against apart.
        notes: what reading found.
        columns: which columns were taken for judges, scores, raters, items and documents, a sentence a file.
        own_metrics: criterion -> the statistic that it is told by: Spearman for numbers, Cohen's kappa for labels.
        slices: the agreement in the rows of each value of the columns that were named.
        systems: system-level agreement, if a column of systems was named.
        strengths: of systems that were compared, if two columns of systems were named.
        higher_is_better: metric -> its direction.
    """

    source: str
    items: int
    documents: int
    scales: Mapping[str, str]
    guessed: bool
    judgements: tuple[tuple[str, str], ...]
    annotators: tuple[Annotators, ...]
    annotators_verdict: str
    detectable: Detectable
    agreements: tuple[Agreement, ...]
    biases: tuple[Bias, ...]
    halos: tuple[JudgeHalo, ...]
    drifts: tuple[Drift, ...]
    contests: tuple[Contest, ...]
    interferences: tuple[Interference, ...]
    notes: tuple[str, ...]
    columns: tuple[str, ...] = ()
    own_metrics: Mapping[str, str] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    systems: tuple[Systems, ...] = ()
    strengths: tuple[Strength, ...] = ()
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        own = [
            row
            for row in self.agreements
            if row.grouping == "pooled" and row.metric == self.own_metrics.get(row.criterion, "")
        ]
        columns = ("judge", "criterion", "metric", "agreement", "95 % interval", "coverage")
        rows = [
            (
                f"{row.judge}, {row.layout}" if row.layout else row.judge,
                row.criterion,
                row.metric,
                number(row.value),
                interval(row.low, row.high, "not given", form=number),
                percent(row.coverage),
            )
            for row in own
        ]
        return snippet(f"Audit of {self.source}", [self.annotators_verdict], columns, rows)

    def agreement(self, metric: str, criterion: str = MEAN, judge: str = "", layout: str = "") -> float:
        """A pooled figure; of several judgements that fit the worst, and nan where one of them has none.

        Args:
            metric: a statistic's name; "primary" is the criterion's own one, and has no mean over criteria of
                different ones.
            criterion: its name; "mean" of a single criterion is that criterion.
            judge: only this one; "" = all.
            layout: only this one; "" = all.

        Raises:
            ConfigError: no judgement has such a figure, or there is no such judgement.
        """
        if metric == "primary":
            metric = self._own_metric(criterion)
        if metric not in self.higher_is_better:
            raise ConfigError(f"unknown metric {metric!r}; measured are {', '.join(self.higher_is_better)}")
        only = next(iter(self.scales)) if len(self.scales) == 1 and criterion == MEAN else criterion
        measured = {
            (row.judge, row.layout): row.value
            for row in self.agreements
            if (row.metric, row.criterion, row.grouping) == (metric, only, "pooled")
        }
        if not measured:
            raise ConfigError(
                f"{metric!r} was not measured on {criterion!r}; measured are "
                f"{', '.join(sorted({f'{row.metric} on {row.criterion}' for row in self.agreements}))}"
            )
        found = [
            measured.get(one, math.nan) for one in self.judgements if judge in ("", one[0]) and layout in ("", one[1])
        ]
        if not found:
            who = ", ".join(repr(f"{one}, {way}" if way else one) for one, way in self.judgements)
            raise ConfigError(f"no scores of judge {judge!r}, layout {layout!r}; there are {who}")
        if any(math.isnan(value) for value in found):
            return math.nan
        return min(found) if self.higher_is_better[metric] else max(found)

    def _own_metric(self, criterion: str) -> str:
        """The statistic that a criterion is told by, or all of them, where they have the same.

        Raises:
            ConfigError: criteria of different statistics have no mean.
        """
        if criterion in self.own_metrics:
            return self.own_metrics[criterion]
        metrics = sorted(set(self.own_metrics.values()))
        if len(metrics) != 1:
            raise ConfigError(
                f"'primary' has no mean here, because the criteria are told by {' and '.join(metrics)}; name one of "
                f"{', '.join(map(repr, self.own_metrics))}"
            )
        return metrics[0]
