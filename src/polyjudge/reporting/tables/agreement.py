"""Agreement on the test rows: what the paper tabulates, what may be believed, and every criterion step by step.

What each axis changes: every value against the axis' first, all else equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from polyjudge.metrics import pareto
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS, MOST_UNDEFINED
from polyjudge.reporting.tables.configurations import Block, Configuration, adjusted, difference, mean_agreement
from polyjudge.reporting.tables.published import Published
from polyjudge.reporting.tables.render import Column, Table, Value
from polyjudge.results.study import RunRecord, scores_of

Blocks = Sequence[tuple[Block, Published | None]]

HEAD = (Column("data", "data"), Column("model", "judge"))
INTERVALS = (
    Column("interval", "interval", "interval"),
    Column("p_holm", "p (Holm)", "p"),
    Column("detectable", "smallest detectable", "number"),
)
HOW = (
    "Agreement is pooled over the test rows, unweighted mean over the criteria, mean over the runs. Differences are "
    "paired run by run, on the rows that both prompts scored; intervals resample runs and documents together, so that "
    "the judge's call noise is in them; p-values and intervals are corrected together for the comparisons of one data "
    f"set and judge in this table (Holm), so that they agree. 'undecided': fewer than {FEWEST_CLUSTERS} documents "
    "(rows where none are named), or over "
    f"{MOST_UNDEFINED:.0%} of the resamples without a value, as where people gave hardly any different ratings."
)
FEW_RUNS = "With {runs} runs the spread between runs is underestimated ({share:.0%} of its variance is seen)."
PUBLISHED = ("initial", "best", "step", "gain", "hypervolume")


def head(block: Block, one: Configuration) -> tuple[Value, ...]:
    """The cells that say which configuration a row is."""
    return (block.data, block.model, *one.values.values())


def columns(axes: Sequence[str], *more: Column) -> tuple[Column, ...]:
    return (*HEAD, *(Column(axis, axis) for axis in axes), *more)


def tested(found: Estimate, p_holm: float) -> tuple[Value, ...]:
    """The cells of ``INTERVALS``."""
    # Nothing differs: there is no spread to say what could have been seen.
    same = found.value == found.standard_error == 0
    return (found.interval, p_holm, None if same else found.detectable)


def notes(found: Blocks) -> list[str]:
    """What holds for all tables of differences."""
    runs = {len(one.runs) for block, _ in found for one in block.configurations}
    few = [FEW_RUNS.format(runs=count, share=(count - 1) / count) for count in sorted(runs) if 1 < count < 5]
    single = ["Of one run the intervals resample documents only: how runs differ is not in them."] if 1 in runs else []
    return [HOW, *few, *single]


def main(found: Blocks, axes: Sequence[str]) -> Table:
    """The paper's table: the best step as it picks it, on the test rows."""
    rows: list[tuple[Value, ...]] = []
    beside = any(paper for _, paper in found)
    for block, paper in found:
        open_ones = [one for one in block.configurations if not one.sealed]
        gains = [one.against_initial(one.best()).mean for one in open_ones]
        for one, (gain, p_holm) in zip(open_ones, adjusted(gains), strict=True):
            initial, best = one.mean(0), one.mean(one.best())
            cells = (*head(block, one), len(one.runs), initial, best, one.best(), gain.value, *tested(gain, p_holm))
            printed = paper.main(one) if paper else {}
            told = tuple(printed.get(key) for key in PUBLISHED) if beside else ()
            rows.append((*cells, *volumes(block, one), *told))
    kinds = {"step": "count", "gain": "signed"}
    more = [Column(f"published_{key}", f"published {key}", kinds.get(key, "number")) for key in PUBLISHED]  # type: ignore[arg-type]
    return Table(
        "main",
        "Initial and best prompt, the best step chosen on the test rows (OPTIMISTIC)",
        columns(
            axes,
            Column("runs", "runs", "count"),
            Column("initial", "initial", "number"),
            Column("best", "best", "number"),
            Column("step", "step", "count"),
            Column("gain", "gain", "signed"),
            *INTERVALS,
            Column("hypervolume", "hypervolume", "number"),
            Column("hypervolume_null", "of re-tests", "number"),
            *(more if beside else []),
        ),
        tuple(rows),
        (
            "The best step is the best of all steps on the rows that report it, as in the paper, and so optimistic: "
            "its interval does not know of the choice. See the table 'honest'.",
            *notes(found),
            "Hypervolume: of the non-dominated set over the steps so far, of the criteria's means over runs, from the "
            "metric's worst value, not normalised. It rises by construction: 'of re-tests' is what as many re-tests "
            "of the unchanged initial prompt give ('-' = not measured, as under mode ST and without call noise).",
            *dict.fromkeys(paper.note for _, paper in found if paper),
        ),
        missing="Not there: the test rows are sealed and were read once, for the initial and the fitted prompt.",
    )


def honest(found: Blocks, axes: Sequence[str]) -> Table:
    """What may be believed: the prompt that stood at the end, chosen without the test rows."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in found:
        chosen = [block.chosen(one) for one in block.configurations]
        gains = [
            difference(one, ours, one.scores(0)).mean for one, ours in zip(block.configurations, chosen, strict=True)
        ]
        for one, ours, (gain, p_holm) in zip(block.configurations, chosen, adjusted(gains), strict=True):
            fitted = float(mean_agreement(one.metric, ours, one.people).mean())
            values = (len(one.runs), one.mean(0), fitted, gain.value)
            rows.append((*head(block, one), *values, *tested(gain, p_holm), _chosen_by(one)))
    return Table(
        "honest",
        "Initial and fitted prompt, chosen without the test rows",
        columns(
            axes,
            Column("runs", "runs", "count"),
            Column("initial", "initial", "number"),
            Column("fitted", "fitted", "number"),
            Column("difference", "difference", "signed"),
            *INTERVALS,
            Column("chosen", "chosen by"),
        ),
        tuple(rows),
        tuple(notes(found)),
        missing="Not there: no run is complete.",
    )


def by_criterion(found: Blocks, axes: Sequence[str]) -> Table:
    """Trajectories: every criterion after every step whose prompt has read the test rows."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in found:
        for one in block.configurations:
            for step in one.steps:
                values = [float(value) for value in one.by_criterion(step)]
                for name, value in [*zip(one.names, values, strict=True), ("mean", one.mean(step))]:
                    rows.append((*head(block, one), step, name, value))
    return Table(
        "trajectories",
        "Agreement on the test rows, step by step",
        columns(
            axes,
            Column("step", "step", "count"),
            Column("criterion", "criterion"),
            Column("agreement", "agreement", "number"),
        ),
        tuple(rows),
        ("Mean over the runs, pooled over the test rows; only steps after which the test rows were read.",),
        missing="Not there: no run is complete.",
    )


def volumes(block: Block, one: Configuration) -> tuple[Value, Value]:
    """The hypervolume of a configuration's steps, and that of as many re-tests of its initial prompt."""
    own = hypervolume(one, np.array([one.by_criterion(step) for step in one.steps]))
    again = block.retests(one)
    if not again:
        return own, None
    count = min(map(len, again))
    points = [one.by_criterion(0)]
    for at in range(count):
        scores = [scores_of([of_run[at].reading], one.criteria) for of_run in again]
        points.append(mean_agreement(one.metric, [m for m in scores if m is not None], one.people))
    return own, hypervolume(one, np.array(points))


def hypervolume(one: Configuration, points: Matrix) -> float:
    """Of vectors of agreement (steps, K); nan where a criterion is undefined throughout."""
    if np.isnan(points).any(axis=0).all() or np.isnan(points).all(axis=0).any():
        return math.nan
    metrics = [one.metric] * len(one.names)
    reference = [pareto.worst(one.metric, scale) for scale in one.people.levels]
    return pareto.hypervolume(pareto.oriented(points, metrics), reference)


def _chosen_by(one: Configuration) -> str:
    if one.gated:
        return f"gate {one.runs[0].config['gate'] or 'primary'} on validation"
    return "nothing: the last step" if one.sealed else f"{one.metric.name} on validation, afterwards"


def effects(found: Blocks, axes: Sequence[str]) -> Table:
    """The fitted prompts of two values of an axis, paired over the values of the others and over the seeds."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in found:
        compared = [one for axis in axes for one in _of_axis(block, axis)]
        corrected = adjusted([gain for *_, gain in compared])
        for (axis, value, first, _), (gain, p_holm) in zip(compared, corrected, strict=True):
            rows.append((block.data, block.model, axis, value, first, gain.n_runs, gain.value, *tested(gain, p_holm)))
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


def _of_axis(block: Block, axis: str) -> list[tuple[str, str, str, Estimate]]:
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


def _compared(pairs: Sequence[tuple[Configuration, RunRecord, RunRecord]]) -> Estimate:
    ours, theirs = (
        [run.scores[run.last] for run in side] for side in zip(*((a, b) for _, a, b in pairs), strict=True)
    )
    return difference(pairs[0][0], ours, theirs, [run.cell.seed for _, run, _ in pairs]).mean
