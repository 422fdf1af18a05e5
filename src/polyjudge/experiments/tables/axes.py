"""What each axis changes: every value against the axis' first, all else equal."""

from __future__ import annotations

from collections.abc import Sequence

from polyjudge.experiments.study.records import RunRecord
from polyjudge.experiments.tables.agreement import HEAD, INTERVALS, Blocks, notes, tested
from polyjudge.experiments.tables.configurations import Block, Configuration, adjusted, difference
from polyjudge.experiments.tables.table import Column, Table, Value
from polyjudge.metrics.replicated import Difference


def effects(found: Blocks, axes: Sequence[str]) -> Table:
    """The fitted prompts of two values of an axis, paired over the values of the others and over the seeds."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in found:
        compared = [one for axis in axes for one in _of_axis(block, axis)]
        corrected = adjusted([gain for *_, gain in compared])
        for (axis, value, first, gain), p_holm in zip(compared, corrected, strict=True):
            rows.append((block.data, block.model, axis, value, first, gain.runs, gain.value, *tested(gain, p_holm)))
    return Table(
        "effects",
        "What each axis changes in the fitted prompt's agreement",
        (
            *HEAD,
            Column("axis", "axis"),
            Column("value", "value"),
            Column("against", "against"),
            Column("seeds", "seeds", "count"),
            Column("difference", "difference", "signed"),
            *INTERVALS,
        ),
        tuple(rows),
        (
            "Runs are paired that differ in this axis only; their prompts are those that stood at the end.",
            *notes(found),
        ),
        missing="Not there: no axis has two values with complete runs.",
    )


def _of_axis(block: Block, axis: str) -> list[tuple[str, str, str, Difference]]:
    values = [*dict.fromkeys(one.values[axis] for one in block.configurations)]
    pairs = [(value, _pairs(block, axis, value, values[0])) for value in values[1:]]
    return [(axis, value, values[0], _compared(found)) for value, found in pairs if found]


def _pairs(block: Block, axis: str, value: str, first: str) -> list[tuple[Configuration, RunRecord, RunRecord]]:
    """The runs with two values of an axis that are alike in all else, on the same rows."""
    known = {tuple(one.values.items()): one for one in block.configurations}
    found = []
    for one in block.configurations:
        other = known.get(tuple({**one.values, axis: first}.items()))
        if one.values[axis] != value or other is None:
            continue
        if one.runs[0].cell.ratings == other.runs[0].cell.ratings:
            by_seed = {run.cell.seed: run for run in other.runs}
            found += [(one, run, by_seed[run.cell.seed]) for run in one.runs if run.cell.seed in by_seed]
    return found


def _compared(pairs: Sequence[tuple[Configuration, RunRecord, RunRecord]]) -> Difference:
    ours, theirs = (
        [run.scores[run.last] for run in side] for side in zip(*((a, b) for _, a, b in pairs), strict=True)
    )
    return difference(pairs[0][0], ours, theirs, [run.cell.seed for _, run, _ in pairs]).mean
