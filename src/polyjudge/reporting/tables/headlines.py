"""The findings themselves, for each data set and judge: where they hold and where not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from polyjudge.formatting.text import number, signed, signed_percent
from polyjudge.metrics.estimates import Estimate
from polyjudge.reporting.tables.agreement import HEAD, Blocks
from polyjudge.reporting.tables.combined import INITIAL, PICKED, Combination, combinations, relative_change
from polyjudge.reporting.tables.configurations import Block, adjusted, difference
from polyjudge.reporting.tables.published import Published
from polyjudge.reporting.tables.render import Column, Table, Value
from polyjudge.reporting.tables.step_diagnostics import dilution, why_unknown

BY_CHOICE = "yes (OPTIMISTIC choice)"
Row = tuple[Value, ...]


def headlines(blocks: Blocks, axes: Sequence[str]) -> Table:
    """One row a finding and block."""
    rows: list[Row] = []
    beside = any(paper for _, paper in blocks)
    for block, paper in blocks:
        for finding, figure, interval, holds, printed in _rows(block, paper):
            text = (printed if paper else None,) if beside else ()
            rows.append((block.data, block.model, finding, figure, interval, holds, *text))
    return Table(
        "headlines",
        "The findings, by data set and judge",
        (
            *HEAD,
            Column("finding", "finding"),
            Column("figure", "here"),
            Column("interval", "95 % interval", "interval"),
            Column("holds", "does it hold"),
            *([Column("published", "published")] if beside else []),
        ),
        tuple(rows),
        (
            "'yes' and 'no' need an interval on one side of 0, else it is 'undecided'; the count of configurations is "
            "a count, and what of it is credible is said beside it (Holm, 5 %). Each finding is tested for itself; "
            "the table 'combining' corrects for their number.",
            f"'{BY_CHOICE}': what was picked on the test rows is reported on them, so that a later answer falls below "
            "it where nothing interferes, too; compare 'fitted'.",
            *dict.fromkeys(paper.note for _, paper in blocks if paper),
        ),
        missing="Not there: no run is complete.",
    )


def _rows(block: Block, paper: Published | None) -> Iterator[Row]:
    printed = paper.headlines if paper else {}
    yield from _improvement(block, printed.get("never_improved"), printed.get("configurations"))
    yield _dilution(block, printed)
    combined = [*combinations(block)]
    if not combined:
        yield (
            "fitted one by one and combined, agreement falls",
            "not measured (needs mode ST beside others)",
            None,
            "",
            None,
        )
    for combination in combined:
        yield from _interference(combination, printed)


def _improvement(block: Block, never: Value, of: Value) -> Iterator[Row]:
    unsealed = [configuration for configuration in block.configurations if not configuration.sealed]
    still = sum(configuration.best() == 0 for configuration in unsealed)
    text = f"{never} of {of}" if never is not None else None
    if unsealed:
        counted = f"{still} of {len(unsealed)} configurations never improved on the initial prompt"
        yield "no step beats the initial prompt, on the test rows", counted, None, "", text
    gains = [
        difference(configuration, block.chosen(configuration), configuration.scores(0)).mean
        for configuration in block.configurations
    ]
    signs = [1 if configuration.metric.higher_is_better else -1 for configuration in block.configurations]
    credible = [
        sign * math.copysign(1, gain.value)
        for (gain, _), sign in zip(adjusted(gains), signs, strict=True)
        if gain.interval.excludes_zero
    ]
    better, worse = credible.count(1), credible.count(-1)
    counted = f"{better} of {len(gains)} credibly better, {worse} credibly worse"
    yield "the fitted prompt differs from the initial one", counted, None, "", None


def _dilution(block: Block, printed: object) -> Row:
    finding = "specificity falls from separate to joint gradients"
    measured = dilution(block)
    text = None
    if isinstance(printed, dict) and printed:
        drop = signed_percent(-printed["specificity_drop"])
        text = f"{printed['specificity_separate']} -> {printed['specificity_joint']}, {drop}"
    if measured is None:
        return finding, why_unknown(block), None, "", text
    separate, joint, _, relative = measured
    figure = f"{number(separate, digits=1)} -> {number(joint, digits=1)}, {signed_percent(relative.value)}"
    return finding, figure, relative.interval, _falls(relative), text


def _interference(combination: Combination, printed: object) -> Iterator[Row]:
    for what, against, change in combination.changes():
        before, after = combination.mean(against), combination.mean(what)
        relative = relative_change(change.value, before)
        finding = f"{what} falls below {against} ({combination.single.label})"
        falls = _falls(change)
        holds = BY_CHOICE if against == PICKED and falls == "yes" else falls
        figure = _change(before, after, change.value, relative)
        yield finding, figure, change.interval, holds, _printed(what, against, printed)


def _change(before: float, after: float, change: float, relative: float | None) -> str:
    share = "" if relative is None else f" ({signed_percent(relative, digits=1)})"
    return f"{number(before)} -> {number(after)}, {signed(change)}{share}"


def _printed(what: str, against: str, printed: object) -> str | None:
    if not isinstance(printed, dict) or not printed or what != "picked by spearman, together":
        return None
    after = printed["combined_to"]
    before = printed["combined_initial"] if against == INITIAL else printed["combined_from"]
    quote = "" if against == INITIAL else f"; {printed['combined_quote']}"
    return f"v2: {_change(before, after, after - before, after / before - 1)}{quote}"


def _falls(change: Estimate) -> str:
    return "yes" if change.interval.below_zero else "no" if change.interval.above_zero else "undecided"
