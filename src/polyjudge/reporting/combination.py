"""A combination of recorded scores as text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from polyjudge.formatting.text import interval, listed, many, number, p_value, percent, signed, table_text
from polyjudge.results.combination import Combination


def combination_lines(found: Combination) -> Iterator[str]:
    """The whole report."""
    yield f"# One judge of several, from {found.source}"
    yield ""
    yield found.verdict
    yield ""
    yield (
        f"Chosen on {many(found.chosen_on, 'items')} and measured on {found.sealed:,} others that share no "
        f"{found.unit.removesuffix('s')} with them ({many(found.units, found.unit)} in all, halves by seed "
        f"{found.seed})."
    )
    yield from found.columns
    yield from found.notes
    yield from _choice(found)
    yield from _rungs(found)
    yield from _criteria(found)
    yield from _repeated(found)
    yield from _outlook(found)


def _choice(found: Combination) -> Iterator[str]:
    yield from _section("What was chosen")
    steps = ", ".join(f"{member} ({number(value)})" for member, value in found.history)
    yield (
        f"Judges in the order of their entrance, with the {found.metric} that the jury reached on the choosing half: "
        f"{steps}. These figures are too good, because the choice was made by them."
    )
    yield f"{found.ridge[:1].upper()}{found.ridge[1:]}."


def _rungs(found: Combination) -> Iterator[str]:
    yield from _section("On the sealed half")
    columns = (
        "",
        "judges an item",
        f"{found.metric}, mean",
        "95 % interval",
        "gain",
        "interval",
        "p (Holm)",
        "MAE",
        "coverage",
    )
    rows = [
        (
            rung.name,
            str(rung.judges) if rung.judges else "-",
            number(rung.agreement.value, "-"),
            interval(rung.agreement.low, rung.agreement.high, "-", form=number),
            signed(rung.gain.value, "-"),
            interval(rung.gain.low, rung.gain.high, "-"),
            "-" if math.isnan(rung.p_holm) else p_value(rung.p_holm),
            number(rung.mae, "-"),
            percent(rung.coverage),
        )
        for rung in found.rungs
    ]
    yield from table_text(rows, columns)
    yield ""
    yield (
        f"Gain: over the single best judge ({found.single}), on the items that both scored. Its intervals and "
        f"p-values leave out one of the {found.unit} at a time and are corrected together by Holm's rule. A "
        f"calibration mends values (MAE) and cannot create agreement of ranks. A judge whose MAE is above the "
        f"constant's is further from the ratings than one and the same answer to everything. One annotator is "
        f"compared with the others and is no upper bound."
    )


def _criteria(found: Combination) -> Iterator[str]:
    yield from _section(f"By criterion: {found.final.name} beside the single best")
    rows = [
        (
            row.criterion,
            row.metric,
            number(row.single),
            number(row.final),
            signed(row.gain.value),
            interval(row.gain.low, row.gain.high, "not given"),
            "-" if math.isnan(row.p_holm) else p_value(row.p_holm),
            number(row.one_annotator, "unknown"),
        )
        for row in found.criteria
    ]
    yield from table_text(
        rows, ("criterion", "metric", "single", "final", "gain", "interval", "p (Holm)", "one annotator")
    )


def _repeated(found: Combination) -> Iterator[str]:
    again = found.repeated
    yield from _section("On further halves")
    rungs = ", ".join(f"{name} {number(value)}" for name, value in again.rungs.items())
    members = listed(f"{name} {percent(share)}" for name, share in again.taken.items())
    yield (
        f"The same on {many(again.splits, 'further halves')}: gain {signed(again.gain)} in the mean, "
        f"{interval(again.low, again.high, 'undefined')} between the 5th and the 95th percentile of the halves (no "
        f"confidence interval: they share their {found.unit}). Means: {rungs}. Members: {members}."
    )


def _outlook(found: Combination) -> Iterator[str]:
    outlook = found.saturation
    if math.isnan(outlook.limit):
        return
    yield from _section("What more members would add")
    at = ", ".join(f"{number(value)} with {size}" for size, value in outlook.at.items())
    yield (
        f"The judges agree with people at {number(outlook.agreement)} and with each other at "
        f"{number(outlook.correlation)} in the mean (Spearman, choosing half). The mean of judges like these would "
        f"reach {at}, and no number of them more than {number(outlook.limit)}."
    )


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
