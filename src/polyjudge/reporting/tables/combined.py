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
    for configuration in block.configurations:
        if configuration.mode != "ST":
            continue
        extras = [extra for extra in block.extras if extra.kind == "combined" and _speaks_of(extra, configuration)]
        partner = _partner(block, configuration)
        if not extras or partner is None:
            continue
        seeds = [run.cell.seed for run in configuration.runs]
        scores = {
            INITIAL: partner.scores(0),
            FITTED.format(company="apart"): configuration.scores(configuration.last),
            FITTED.format(company="together"): _judged(
                [e for e in extras if e.chosen_on == "validation"], configuration, seeds
            ),
        }
        for by in dict.fromkeys(extra.chosen_by for extra in extras if extra.chosen_on == "test"):
            picked = [extra for extra in extras if extra.chosen_by == by]
            scores[f"picked by {by}, together"] = _judged(picked, configuration, seeds)
            if by == "spearman":
                scores[PICKED] = [_apart(configuration, picked[0])] * len(seeds)
        yield Combination(
            configuration, {what: matrices for what, matrices in scores.items() if len(matrices) == len(seeds)}
        )


def cherrypick(blocks: Blocks, axes: Sequence[str]) -> Table:
    """The paper's table of combined instructions, by criterion."""
    rows: list[tuple[Value, ...]] = []
    beside = any(paper for _, paper in blocks)
    for block, paper in blocks:
        for combination in combinations(block):
            for what in combination.scores:
                printed = paper.cherrypick(what) if paper else {}
                values = [float(value) for value in combination.by_criterion(what)]
                for name, value in [
                    *zip(combination.single.names, values, strict=True),
                    ("mean", combination.mean(what)),
                ]:
                    text = (printed.get(name),) if beside else ()
                    rows.append((block.data, block.model, _which(combination), what, name, value, *text))
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
            *dict.fromkeys(paper.note for _, paper in blocks if paper),
        ),
        missing=MISSING,
    )


def combining(blocks: Blocks, axes: Sequence[str]) -> Table:
    """The same as differences, absolute and relative."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in blocks:
        compared = [(combination, *change) for combination in combinations(block) for change in combination.changes()]
        corrected = adjusted([change for *_, change in compared])
        for (combination, what, against, _), (change, p_holm) in zip(compared, corrected, strict=True):
            relative = relative_change(change.value, combination.mean(against))
            cells = (what, against, change.n_runs, change.value, relative)
            rows.append((block.data, block.model, _which(combination), *cells, *tested(change, p_holm)))
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
            *notes(blocks),
        ),
        missing=MISSING,
    )


def relative_change(change: float, before: float) -> float | None:
    """A change as a share of what was there; None where that was nothing."""
    return change / before if before > 0 else None


def _which(combination: Combination) -> str:
    return combination.single.label


def _speaks_of(extra: Extra, configuration: Configuration) -> bool:
    return set(extra.cells) <= {run.cell.name for run in configuration.runs}


def _partner(block: Block, configuration: Configuration) -> Configuration | None:
    """The configuration whose initial prompt was judged together, alike but for the mode."""

    def alike(other: Configuration) -> bool:
        return all(other.values[axis] == value for axis, value in configuration.values.items() if axis != "mode")

    seeds = [run.cell.seed for run in configuration.runs]
    joint = [other for other in block.configurations if other.mode != "ST" and alike(other)]
    return next((other for other in joint if [run.cell.seed for run in other.runs] == seeds), None)


def _judged(extras: Sequence[Extra], configuration: Configuration, seeds: Sequence[int]) -> list[Matrix]:
    by_seed = {extra.seed: scores_of([extra.reading], configuration.criteria) for extra in extras}
    matrices = [by_seed.get(seed) for seed in seeds]
    return [matrix for matrix in matrices if matrix is not None]


def _apart(configuration: Configuration, picked: Extra) -> Matrix:
    """The scores that the picked instructions had, each in its own run at its own step."""
    by_name = {run.cell.name: run for run in configuration.runs}
    columns = [
        by_name[picked.runs[name]].scores[picked.steps[name]][:, k] for k, name in enumerate(configuration.names)
    ]
    return np.column_stack(columns)
