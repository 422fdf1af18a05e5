"""One judge of several, from scores at hand: chosen on one half of the documents, measured on the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from polyjudge.audits.read import Rows
from polyjudge.audits.sources import Files, read_scores
from polyjudge.audits.table import ScoreTable
from polyjudge.combining import Forecast, Jury, JuryFit, fit_jury, folds, forecast
from polyjudge.datasets.load import Criteria
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ConfigError, DataError
from polyjudge.formatting.text import interval, listed, many, nearest, number, signed
from polyjudge.judge.measure import own_metric, primary_metric
from polyjudge.metrics import Estimate, RatedRows, bootstrap, difference_test, one_annotator
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.baselines import constant_baseline
from polyjudge.metrics.grouping import mean, table
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import coverage
from polyjudge.metrics.significance import corrected
from polyjudge.results.combination import (
    ALL,
    ANNOTATOR,
    CALIBRATED,
    CONSTANT,
    JURY,
    RIDGE,
    SINGLE,
    Combination,
    CriterionGain,
    Repeated,
    Rung,
    Saturation,
)
from polyjudge.results.jury_file import JuryFile, dump_jury
from polyjudge.results.store import writable, write_whole
from polyjudge.version import __version__

FEWEST_UNITS = 12
FEWEST_ITEMS = 40
MEMBERS = 4
SPLITS = 20
NAMES = {"single": SINGLE, "jury": JURY, "calibrated": CALIBRATED, "ridge": RIDGE}
Judges = Mapping[str, Matrix]


def combine(
    scores: Files | Rows,
    *,
    criteria: Criteria | None = None,
    members: int = MEMBERS,
    judges: Sequence[str] = (),
    splits: int = SPLITS,
    output: str | Path | None = None,
    seed: int = 0,
) -> Combination:
    """Choose the best single judge, a jury and its calibration on half of the documents, and measure them on the rest.

    No model is asked.

    Args:
        scores: what ``audit`` reads: one or several files, rows, a data frame, or the name of recorded scores
            (``hanna``).
        criteria: a criteria file or mapping, of which names and scales suffice; without it they are guessed.
        members: of the jury, at most; with 1 the best single judge is calibrated.
        judges: names or patterns (``gpt-*``) of the judges to choose from; empty = all.
        splits: further halves, for the estimate.
        output: a file for the jury, usually jury.yaml.
        seed: of the halves, folds and resamples.

    Raises:
        InputError: files, criteria or options that cannot be used.
    """
    if members < 1 or splits < 1 or seed < 0:
        raise ConfigError(f"--members {members}, --splits {splits}, --seed {seed}: give 1, 1 and 0, or more")
    target = writable(output, _paths(scores, criteria))
    found = read_scores(scores, criteria)
    pool, notes = _pool(found, judges, members)
    on_scale = all(all(found.on_scale(judgement)) for judgement in found.judgements if judgement.name in pool)
    data = _Data(found, pool, metric_of(primary_metric(found.criteria)), members, on_scale)
    result = _combination(data, splits, seed, notes)
    if target is not None:
        write_whole(target, dump_jury(result.jury))
    return result


@dataclass(frozen=True, slots=True)
class _Data:
    """What is chosen from."""

    found: ScoreTable
    pool: Judges
    metric: Metric
    most: int
    on_scale: bool

    @property
    def rows(self) -> RatedRows:
        return self.found.rows

    def halves(self, seed: int) -> tuple[_Half, _Half]:
        """The half to choose on and the half to measure on, by documents."""
        chosen = folds(self.rows.clusters, 2, seed) == 0
        return self._half(chosen), self._half(~chosen)

    def _half(self, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> _Half:
        return _Half({name: scores[mask] for name, scores in self.pool.items()}, self.rows.take(mask))

    def fit(self, half: _Half, seed: int) -> JuryFit:
        """What is chosen on a half.

        Raises:
            DataError: nothing can be chosen.
        """
        try:
            return fit_jury(half.pool, half.rows, self.metric, most=self.most, seed=seed)
        except ValueError as error:
            raise DataError(f"{self.found.source}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Half:
    pool: Judges
    rows: RatedRows


def _paths(scores: Files | Rows, criteria: Criteria | None) -> list[str | Path]:
    sources = [scores] if isinstance(scores, (str, Path)) else scores if isinstance(scores, (list, tuple)) else []
    return [source for source in (*sources, criteria) if isinstance(source, (str, Path))]


def _pool(found: ScoreTable, judges: Sequence[str], members: int) -> tuple[Judges, list[str]]:
    """The judges to choose from, which score every criterion, and notes on the others.

    Raises:
        DataError: too few judges, documents or items.
        ConfigError: a pattern fits no judge.
    """
    every = {judgement.name: judgement.scores for judgement in found.judgements}
    for pattern in judges:
        if not any(fnmatchcase(name, pattern) for name in every):
            raise ConfigError(
                f"--judge {pattern!r} fits none of the judges {listed(map(repr, every))}{nearest(pattern, every)}"
            )
    wanted = {
        name: scores
        for name, scores in every.items()
        if not judges or any(fnmatchcase(name, pattern) for pattern in judges)
    }
    whole = {name: scores for name, scores in wanted.items() if not np.isnan(scores).all(axis=0).any()}
    notes = [f"{name} is left out: it scores not all criteria" for name in wanted if name not in whole]
    if len(whole) < 2 and members > 1:
        raise DataError(
            f"{found.source}: {many(len(whole), 'judges')} with scores on every criterion"
            f"{f' ({next(iter(whole))!r})' if whole else ''}; a jury is chosen from two or more: give further files, "
            f"or a column 'judge'. A single judge can be calibrated with --members 1"
        )
    if not whole:
        raise DataError(f"{found.source}: no judge has scores on every criterion; name fewer with --criteria FILE")
    rated = int((~np.isnan(found.rows.human)).any(axis=1).sum())
    if found.rows.n_units < FEWEST_UNITS or rated < FEWEST_ITEMS:
        raise DataError(
            f"{found.source}: {many(rated, 'rated items')} of {many(found.rows.n_units, found.rows.unit)}; choosing "
            f"on one half and proving on the other needs {FEWEST_ITEMS} items of {FEWEST_UNITS} documents or more"
        )
    return whole, notes


def _combination(data: _Data, splits: int, seed: int, notes: Sequence[str]) -> Combination:
    half, sealed = data.halves(seed)
    fit = data.fit(half, seed)
    scores = {NAMES[name]: rung for name, rung in fit.rungs(sealed.pool).items()}
    rungs = _rungs(data, fit, scores, sealed, seed)
    final = list(scores)[-1]
    repeated = _repeated(data, splits, seed)
    outlook = forecast(half.pool, half.rows)
    result = Combination(
        source=data.found.source,
        metric=data.metric.name,
        unit="documents" if data.rows.documents else "rows",
        items=len(data.rows),
        units=data.rows.n_units,
        chosen_on=len(half.rows),
        sealed=len(sealed.rows),
        seed=seed,
        candidates=dict(sorted(fit.choice.alone.items(), key=lambda one: -np.nan_to_num(one[1], nan=-np.inf))),
        jury=JuryFile(data.found.criteria, fit.final),
        history=tuple((", ".join(addition.members), addition.value) for addition in fit.choice.history),
        rungs=rungs,
        criteria=_by_criterion(data, scores[SINGLE], scores[final], sealed),
        repeated=repeated,
        saturation=_saturation(outlook, len(data.pool)),
        ridge=fit.ridge.reason,
        verdict="",
        notes=(*data.found.notes, *notes),
        columns=data.found.columns,
    )
    result = replace(result, verdict=_verdict(result))
    return replace(result, jury=replace(result.jury, lineage=_lineage(result)))


def _rungs(data: _Data, fit: JuryFit, scores: Judges, sealed: _Half, seed: int) -> tuple[Rung, ...]:
    """Every way of scoring on the sealed half, tested together against the single best judge."""
    nominal = fit.choice.jury.nominal
    everyone = Jury.of(data.pool, nominal)
    measured = dict(scores)
    if len(data.pool) > 1:
        measured[ALL] = everyone.combine(sealed.pool).scores
    asked = {SINGLE: 1, ALL: len(data.pool)}
    tests = [
        difference_test(data.metric, each, measured[SINGLE], sealed.rows).mean
        for name, each in measured.items()
        if name != SINGLE
    ]
    family = corrected(tests)
    tested = zip(family.estimates, family.p_values, strict=True)
    gains = dict(zip([name for name in measured if name != SINGLE], tested, strict=True))
    untested = (_unknown(), math.nan)
    rungs = [
        Rung(
            name,
            asked.get(name, len(fit.choice.members)),
            bootstrap(data.metric, each, sealed.rows, seed=seed).mean,
            *gains.get(name, untested),
            _mae(data, name, each, sealed.rows),
            mean(coverage(each, sealed.rows)),
        )
        for name, each in measured.items()
    ]
    constants, annotators = _constant(data.found, sealed.rows), _annotator(data, sealed.rows)
    rungs.append(Rung(CONSTANT, 0, _unknown(), *untested, constants, 1.0))
    if not math.isnan(annotators.value):
        rungs.append(Rung(ANNOTATOR, 0, annotators, *untested, math.nan, 1.0))
    return tuple(rungs)


def _by_criterion(data: _Data, single: Matrix, final: Matrix, sealed: _Half) -> tuple[CriterionGain, ...]:
    tests = difference_test(data.metric, final, single, sealed.rows)
    family = corrected(tests.per_criterion)
    before, after = (table(data.metric, each, sealed.rows).per_criterion for each in (single, final))
    return tuple(
        CriterionGain(
            criterion.name,
            own_metric(criterion),
            before[k].value,
            after[k].value,
            family.estimates[k],
            family.p_values[k],
            one_annotator(data.metric, sealed.rows.raters[k], levels=sealed.rows.levels[k]).value,
        )
        for k, criterion in enumerate(data.found.criteria)
    )


def _repeated(data: _Data, splits: int, seed: int) -> Repeated:
    """The same on further halves; each half is chosen on once and measured on once."""
    gains: list[float] = []
    values: dict[str, list[float]] = {}
    taken = dict.fromkeys(data.pool, 0)
    for number_of in range(splits):
        half, other = data.halves(seed + 1 + number_of // 2)
        chosen, measured = (half, other) if number_of % 2 == 0 else (other, half)
        fit = data.fit(chosen, seed)
        agreements = {
            NAMES[name]: table(data.metric, each, measured.rows).mean
            for name, each in fit.rungs(measured.pool).items()
        }
        agreements.setdefault(RIDGE, agreements[CALIBRATED])
        gains.append(agreements[RIDGE] - agreements[SINGLE])
        for name, value in agreements.items():
            values.setdefault(name, []).append(value)
        for member in fit.choice.members:
            taken[member] += 1
    known = [gain for gain in gains if not math.isnan(gain)]
    low, high = np.quantile(known, [0.05, 0.95]).tolist() if known else (math.nan, math.nan)
    return Repeated(
        splits,
        mean(known),
        low,
        high,
        {name: mean([value for value in each if not math.isnan(value)]) for name, each in values.items()},
        {name: count / splits for name, count in sorted(taken.items(), key=lambda one: -one[1]) if count},
    )


def _saturation(outlook: Forecast, judges: int) -> Saturation:
    sizes = [m for m in (1, 2, 4, 8) if m <= max(4, judges)]
    return Saturation(outlook.agreement, outlook.correlation, {str(m): outlook.at(m) for m in sizes}, outlook.limit)


def _ordered(found: ScoreTable) -> list[int]:
    return [k for k, criterion in enumerate(found.criteria) if not isinstance(criterion.scale, Categorical)]


def _mae(data: _Data, name: str, scores: Matrix, rows: RatedRows) -> float:
    """The mean absolute error over the criteria with an order; NaN without any, or for strengths off the scale."""
    ordered = _ordered(data.found)
    if not ordered or not (data.on_scale or name in (CALIBRATED, RIDGE)):
        return math.nan
    return table(metric_of("mae"), scores[:, ordered], rows.select(ordered)).mean


def _constant(found: ScoreTable, rows: RatedRows) -> float:
    """The mean absolute error of the best constant of each criterion."""
    return mean(
        [constant_baseline(metric_of("mae"), rows.human[:, k], levels=rows.levels[k]).value for k in _ordered(found)]
    )


def _annotator(data: _Data, rows: RatedRows) -> Estimate:
    values = [
        one_annotator(data.metric, ratings, levels=levels).value
        for ratings, levels in zip(rows.raters, rows.levels, strict=True)
    ]
    return replace(_unknown(), value=mean(values))


def _unknown() -> Estimate:
    return Estimate.undecided(math.nan, 0.95, 0)


def _verdict(result: Combination) -> str:
    """Whether the sealed half shows that the final rung is better than the single best judge."""
    rung = result.final
    gain = rung.gain
    calibrated = any(result.jury.fitted.maps)
    jury = f"{'calibrated jury' if calibrated else 'jury'} of {many(len(result.members), 'judges')}"
    what = RIDGE if rung.name == RIDGE else jury
    if len(result.members) == 1 and rung.name == CALIBRATED:
        kept = "kept, calibrated" if calibrated else "kept as it is"
        return f"No jury was better on the choosing half; {result.single!r} alone is {kept}."
    figures = f"{signed(gain.value)} [{interval(gain.low, gain.high, 'no interval')}] in {result.metric}"
    if gain.interval.above_zero:
        return f"The {what} agrees better with people than the best single judge on sealed {result.unit}: {figures}."
    if gain.interval.below_zero:
        return f"The {what} agrees worse with people than the best single judge on sealed {result.unit}: {figures}."
    better = f"whether the {what} agrees better than the best single judge"
    return f"The sealed {result.unit} do not decide {better}: {figures}."


def _lineage(result: Combination) -> dict[str, object]:
    gain = result.final.gain
    known = {"gain": gain.value, "low": gain.low, "high": gain.high, "p_holm": result.final.p_holm}
    return {
        "scores": result.source,
        "seed": result.seed,
        "chosen_on": result.chosen_on,
        "sealed": {"items": result.sealed, "metric": result.metric, "agreement": number(result.final.agreement.value)}
        | {name: round(value, 4) for name, value in known.items() if not math.isnan(value)},
        "verdict": result.verdict,
        "version": __version__,
    }
