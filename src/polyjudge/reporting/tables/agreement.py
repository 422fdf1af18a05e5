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


def head(block: Block, configuration: Configuration) -> tuple[Value, ...]:
    """The cells that say which configuration a row is."""
    return (block.data, block.model, *configuration.values.values())


def columns(axes: Sequence[str], *more: Column) -> tuple[Column, ...]:
    return (*HEAD, *(Column(axis, axis) for axis in axes), *more)


def tested(estimate: Estimate, p_holm: float) -> tuple[Value, ...]:
    """The cells of ``INTERVALS``."""
    # Nothing differs: there is no spread to say what could have been seen.
    same = estimate.value == estimate.standard_error == 0
    return (estimate.interval, p_holm, None if same else estimate.detectable)


def notes(blocks: Blocks) -> list[str]:
    """What holds for all tables of differences."""
    runs = {len(configuration.runs) for block, _ in blocks for configuration in block.configurations}
    few = [FEW_RUNS.format(runs=count, share=(count - 1) / count) for count in sorted(runs) if 1 < count < 5]
    single = ["Of one run the intervals resample documents only: how runs differ is not in them."] if 1 in runs else []
    return [HOW, *few, *single]


def main(blocks: Blocks, axes: Sequence[str]) -> Table:
    """The paper's table: the best step as it picks it, on the test rows."""
    rows: list[tuple[Value, ...]] = []
    beside = any(paper for _, paper in blocks)
    for block, paper in blocks:
        unsealed = [configuration for configuration in block.configurations if not configuration.sealed]
        gains = [configuration.against_initial(configuration.best()).mean for configuration in unsealed]
        for configuration, (gain, p_holm) in zip(unsealed, adjusted(gains), strict=True):
            initial, best = configuration.mean(0), configuration.mean(configuration.best())
            values = (len(configuration.runs), initial, best, configuration.best(), gain.value)
            printed = paper.main(configuration) if paper else {}
            text = tuple(printed.get(key) for key in PUBLISHED) if beside else ()
            cells = (*head(block, configuration), *values, *tested(gain, p_holm))
            rows.append((*cells, *volumes(block, configuration), *text))
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
            *notes(blocks),
            "Hypervolume: of the non-dominated set over the steps so far, of the criteria's means over runs, from the "
            "metric's worst value, not normalised. It rises by construction: 'of re-tests' is what as many re-tests "
            "of the unchanged initial prompt give ('-' = not measured, as under mode ST and without call noise).",
            *dict.fromkeys(paper.note for _, paper in blocks if paper),
        ),
        missing="Not there: the test rows are sealed and were read once, for the initial and the fitted prompt.",
    )


def honest(blocks: Blocks, axes: Sequence[str]) -> Table:
    """What may be believed: the prompt that stood at the end, chosen without the test rows."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in blocks:
        chosen = [block.chosen(configuration) for configuration in block.configurations]
        gains = [
            difference(configuration, ours, configuration.scores(0)).mean
            for configuration, ours in zip(block.configurations, chosen, strict=True)
        ]
        for configuration, ours, (gain, p_holm) in zip(block.configurations, chosen, adjusted(gains), strict=True):
            fitted = float(mean_agreement(configuration.metric, ours, configuration.people).mean())
            values = (len(configuration.runs), configuration.mean(0), fitted, gain.value)
            rows.append((*head(block, configuration), *values, *tested(gain, p_holm), _chosen_by(configuration)))
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
        tuple(notes(blocks)),
        missing="Not there: no run is complete.",
    )


def by_criterion(blocks: Blocks, axes: Sequence[str]) -> Table:
    """Trajectories: every criterion after every step whose prompt has read the test rows."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in blocks:
        for configuration in block.configurations:
            for step in configuration.steps:
                values = [float(value) for value in configuration.by_criterion(step)]
                for name, value in [
                    *zip(configuration.names, values, strict=True),
                    ("mean", configuration.mean(step)),
                ]:
                    rows.append((*head(block, configuration), step, name, value))
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


def volumes(block: Block, configuration: Configuration) -> tuple[Value, Value]:
    """The hypervolume of a configuration's steps, and that of as many re-tests of its initial prompt."""
    volume = hypervolume(configuration, np.array([configuration.by_criterion(step) for step in configuration.steps]))
    again = block.retests(configuration)
    if not again:
        return volume, None
    count = min(map(len, again))
    points = [configuration.by_criterion(0)]
    for at in range(count):
        scores = [scores_of([of_run[at].reading], configuration.criteria) for of_run in again]
        points.append(mean_agreement(configuration.metric, [m for m in scores if m is not None], configuration.people))
    return volume, hypervolume(configuration, np.array(points))


def hypervolume(configuration: Configuration, points: Matrix) -> float:
    """Of vectors of agreement (steps, K); nan where a criterion is undefined throughout."""
    if np.isnan(points).any(axis=0).all() or np.isnan(points).all(axis=0).any():
        return math.nan
    metrics = [configuration.metric] * len(configuration.names)
    reference = [pareto.worst(configuration.metric, scale) for scale in configuration.people.levels]
    return pareto.hypervolume(pareto.oriented(points, metrics), reference)


def _chosen_by(configuration: Configuration) -> str:
    if configuration.gated:
        return f"gate {configuration.runs[0].config['gate'] or 'primary'} on validation"
    return (
        "nothing: the last step" if configuration.sealed else f"{configuration.metric.name} on validation, afterwards"
    )


def effects(blocks: Blocks, axes: Sequence[str]) -> Table:
    """The fitted prompts of two values of an axis, paired over the values of the others and over the seeds."""
    rows: list[tuple[Value, ...]] = []
    for block, _ in blocks:
        compared = [of_axi for axis in axes for of_axi in _of_axis(block, axis)]
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
            *notes(blocks),
        ),
        missing="Not there: no axis has two values with complete runs.",
    )


def _of_axis(block: Block, axis: str) -> list[tuple[str, str, str, Estimate]]:
    values = [*dict.fromkeys(configuration.values[axis] for configuration in block.configurations)]
    pairs = [(value, _pairs(block, axis, value, values[0])) for value in values[1:]]
    return [(axis, value, values[0], _compared(runs)) for value, runs in pairs if runs]


def _pairs(block: Block, axis: str, value: str, first: str) -> list[tuple[Configuration, RunRecord, RunRecord]]:
    """The runs with two values of an axis that are alike in all else, on the same rows."""
    known = {tuple(configuration.values.items()): configuration for configuration in block.configurations}
    pairs = []
    for configuration in block.configurations:
        other = known.get(tuple({**configuration.values, axis: first}.items()))
        if configuration.values[axis] != value or other is None:
            continue
        if configuration.runs[0].cell.ratings == other.runs[0].cell.ratings:
            by_seed = {run.cell.seed: run for run in other.runs}
            pairs += [
                (configuration, run, by_seed[run.cell.seed]) for run in configuration.runs if run.cell.seed in by_seed
            ]
    return pairs


def _compared(pairs: Sequence[tuple[Configuration, RunRecord, RunRecord]]) -> Estimate:
    ours, theirs = (
        [run.scores[run.last] for run in side] for side in zip(*((a, b) for _, a, b in pairs), strict=True)
    )
    return difference(pairs[0][0], ours, theirs, [run.cell.seed for _, run, _ in pairs]).mean
