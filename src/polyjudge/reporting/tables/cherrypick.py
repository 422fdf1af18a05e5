"""What becomes of the instructions of single criteria in one prompt: the paper's way, and an honest one beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Matrix
from polyjudge.reporting.tables.agreement import HEAD, INTERVALS, Blocks, notes, tested
from polyjudge.reporting.tables.configurations import Block, Configuration, adjusted, difference, mean_agreement
from polyjudge.reporting.tables.render import Column, Table, Value
from polyjudge.results.study import Extra, scores_of

INITIAL = "initial, together"
PICKED = "picked, apart"
FITTED = "fitted, {company}"
MISSING = "Not there: it needs runs of mode ST and, alike in all else, of a mode that judges all criteria in one call."


@dataclass(frozen=True, slots=True)
class Combination:
    """The prompts of one set of runs of single criteria, as scores of the test rows by run.

    Attributes:
        single: the runs.
        scores: what was judged -> one matrix a run.
    """

    single: Configuration
    scores: dict[str, list[Matrix]]

    def mean(self, what: str) -> float:
        return float(self.by_criterion(what).mean())

    def by_criterion(self, what: str) -> Matrix:
        return mean_agreement(self.single.metric, self.scores[what], self.single.people)

    def changes(self) -> list[tuple[str, str, Estimate]]:
        """(what, against what, difference) of everything that was judged together."""
        wanted = [
            ("picked by spearman, together", PICKED),
            ("picked by spearman, together", INITIAL),
            ("picked by off_by_one, together", INITIAL),
            (FITTED.format(company="together"), FITTED.format(company="apart")),
            (FITTED.format(company="together"), INITIAL),
        ]
        return [
            (what, against, difference(self.single, self.scores[what], self.scores[against]).mean)
            for what, against in wanted
            if what in self.scores and against in self.scores
        ]


def combinations(block: Block) -> Iterator[Combination]:
    """What was combined in a block."""
    for one in block.configurations:
        if one.mode != "ST":
            continue
        own = [extra for extra in block.extras if extra.kind == "combined" and _speaks_of(extra, one)]
        partner = _partner(block, one)
        if not own or partner is None:
            continue
        seeds = [run.cell.seed for run in one.runs]
        scores = {
            INITIAL: partner.scores(0),
            FITTED.format(company="apart"): one.scores(one.last),
            FITTED.format(company="together"): _judged([e for e in own if e.chosen_on == "validation"], one, seeds),
        }
        for by in dict.fromkeys(extra.chosen_by for extra in own if extra.chosen_on == "test"):
            picked = [extra for extra in own if extra.chosen_by == by]
            scores[f"picked by {by}, together"] = _judged(picked, one, seeds)
            if by == "spearman":
                scores[PICKED] = [_apart(one, picked[0])] * len(seeds)
        yield Combination(one, {what: found for what, found in scores.items() if len(found) == len(seeds)})


def cherrypick(found: Blocks, axes: Sequence[str]) -> Table:
    """The paper's table of combined instructions, by criterion."""
    rows: list[tuple[Value, ...]] = []
    beside = any(paper for _, paper in found)
    for block, paper in found:
        for one in combinations(block):
            for what in one.scores:
                printed = paper.cherrypick(what) if paper else {}
                values = [float(value) for value in one.by_criterion(what)]
                for name, value in [*zip(one.single.names, values, strict=True), ("mean", one.mean(what))]:
                    told = (printed.get(name),) if beside else ()
                    rows.append((block.data, block.model, _which(one), what, name, value, *told))
    return Table(
        "cherrypick",
        "Instructions fitted one by one, apart and in one prompt",
        (
            *HEAD,
            Column("runs", "runs of single criteria"),
            Column("prompt", "prompt"),
            Column("criterion", "criterion"),
            Column("agreement", "agreement", "number"),
            *([Column("published", "published", "number")] if beside else []),
        ),
        tuple(rows),
        (
            "'picked': of all runs and steps the instruction with the best figure on the test rows, as in the paper: "
            "the rows that choose also report, which is OPTIMISTIC for 'apart'. 'fitted': what stood at the end of "
            "each run, chosen without the test rows.",
            *dict.fromkeys(paper.note for _, paper in found if paper),
        ),
        missing=MISSING,
    )


def combining(found: Blocks, axes: Sequence[str]) -> Table:
    """The same as differences, absolute and relative."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in found:
        compared = [(one, *change) for one in combinations(block) for change in one.changes()]
        corrected = adjusted([change for *_, change in compared])
        for (one, what, against, _), (change, p_holm) in zip(compared, corrected, strict=True):
            relative = relative_change(change.value, one.mean(against))
            cells = (what, against, change.n_runs, change.value, relative)
            rows.append((block.data, block.model, _which(one), *cells, *tested(change, p_holm)))
    return Table(
        "combining",
        "What combining changes, absolute and relative",
        (
            *HEAD,
            Column("runs", "runs of single criteria"),
            Column("prompt", "prompt"),
            Column("against", "against"),
            Column("seeds", "seeds", "count"),
            Column("difference", "difference", "signed"),
            Column("relative", "relative", "percent"),
            *INTERVALS,
        ),
        tuple(rows),
        (
            "A difference against 'picked, apart' is between a choice on the test rows and its own rows: expect it to "
            "be negative where nothing interferes. Against 'fitted, apart' nothing was chosen on the test rows.",
            *notes(found),
        ),
        missing=MISSING,
    )


def relative_change(change: float, before: float) -> float | None:
    """A change as a share of what was there; None where that was nothing."""
    return change / before if before > 0 else None


def _which(one: Combination) -> str:
    return one.single.label


def _speaks_of(extra: Extra, one: Configuration) -> bool:
    return set(extra.cells) <= {run.cell.name for run in one.runs}


def _partner(block: Block, one: Configuration) -> Configuration | None:
    """The configuration whose initial prompt was judged together, alike but for the mode."""

    def alike(other: Configuration) -> bool:
        return all(other.values[axis] == value for axis, value in one.values.items() if axis != "mode")

    seeds = [run.cell.seed for run in one.runs]
    joint = [other for other in block.configurations if other.mode != "ST" and alike(other)]
    return next((other for other in joint if [run.cell.seed for run in other.runs] == seeds), None)


def _judged(extras: Sequence[Extra], one: Configuration, seeds: Sequence[int]) -> list[Matrix]:
    by_seed = {extra.seed: scores_of([extra.reading], one.criteria) for extra in extras}
    found = [by_seed.get(seed) for seed in seeds]
    return [matrix for matrix in found if matrix is not None]


def _apart(one: Configuration, picked: Extra) -> Matrix:
    """The scores that the picked instructions had, each in its own run at its own step."""
    by_name = {run.cell.name: run for run in one.runs}
    columns = [by_name[picked.runs[name]].scores[picked.steps[name]][:, k] for k, name in enumerate(one.names)]
    return np.column_stack(columns)
