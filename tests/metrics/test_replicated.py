"""Differences over runs and documents: exact values, coverage of what they resample, and order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.replicated import crossed_difference, replicated_difference
from polyjudge.metrics.statistics import mae, spearman


def made(
    seed: int, runs: int = 3, documents: int = 30, shift: float = 0.0, spread: float = 0.0
) -> tuple[list[Matrix], list[Matrix], Matrix, list[str]]:
    """Two judges' errors over runs: effects of documents and of runs, and noise."""
    random = np.random.default_rng(seed)
    human = random.normal(size=(documents * 2, 1))
    of_document = np.repeat(random.normal(0, 0.5, documents), 2)[:, None]
    ours: list[Matrix] = []
    theirs: list[Matrix] = []
    for _ in range(runs):
        for side, moved in ((ours, shift), (theirs, 0.0)):
            of_run = moved + random.normal(0, spread)
            side.append(human + of_document + of_run + random.normal(0, 0.3, human.shape))
    return ours, theirs, human, [str(k // 2) for k in range(documents * 2)]


def test_the_value_is_the_mean_over_runs_of_plain_differences() -> None:
    random = np.random.default_rng(0)
    human = random.integers(1, 6, (40, 2)).astype(float)
    ours, theirs = (random.integers(1, 6, (3, 40, 2)).astype(float) for _ in range(2))
    found = replicated_difference(spearman, list(ours), list(theirs), human)
    for k in range(2):
        own = [
            spearmanr(a[:, k], human[:, k]).statistic - spearmanr(b[:, k], human[:, k]).statistic
            for a, b in zip(ours, theirs, strict=True)
        ]
        assert found.per_criterion[k].value == pytest.approx(np.mean(own))
    assert found.mean.value == pytest.approx(np.mean([one.value for one in found.per_criterion]))


def test_exchanging_the_sides_turns_the_interval_round() -> None:
    ours, theirs, human, documents = made(1)
    one = replicated_difference(mae, ours, theirs, RatedRows.of(human, documents=documents)).mean
    other = replicated_difference(mae, theirs, ours, RatedRows.of(human, documents=documents)).mean
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.p_value == other.p_value


def test_equal_sides_differ_by_nothing_and_are_never_significant() -> None:
    ours, _, human, documents = made(2)
    found = replicated_difference(mae, ours, ours, RatedRows.of(human, documents=documents)).mean
    assert (found.value, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_spread_between_runs_widens_the_interval() -> None:
    still = replicated_difference(mae, *made(3, spread=0.0)[:3]).mean
    moving = replicated_difference(mae, *made(3, spread=1.0)[:3]).mean
    assert moving.standard_error > 2 * still.standard_error


def test_pairs_of_one_run_come_and_go_together() -> None:
    ours, theirs, human, documents = made(4, runs=2, spread=1.0)
    once = replicated_difference(mae, ours, theirs, RatedRows.of(human, documents=documents))
    twice = replicated_difference(
        mae, [*ours, *ours], [*theirs, *theirs], RatedRows.of(human, documents=documents), run_of=[0, 1, 0, 1]
    )
    assert twice.mean == once.mean


def test_intervals_of_many_runs_cover_what_they_should() -> None:
    """No true difference, ten runs of 40 documents: 95 % intervals miss 0 in about one case of twenty."""
    missed = 0
    for seed in range(200):
        ours, theirs, human, documents = made(seed, runs=10, documents=40, spread=0.3)
        found = replicated_difference(
            mae, ours, theirs, RatedRows.of(human, documents=documents), n_resamples=300
        ).mean
        missed += not found.low <= 0 <= found.high
    assert missed <= 22


def test_too_few_documents_give_no_interval() -> None:
    ours, theirs, human, _ = made(5)
    found = replicated_difference(
        mae, ours, theirs, RatedRows.of(human, documents=[str(k % 3) for k in range(len(human))])
    ).mean
    assert not math.isnan(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.p_value)


def test_unequal_runs_are_refused() -> None:
    ours, theirs, human, _ = made(6)
    with pytest.raises(ValueError, match="partner"):
        replicated_difference(mae, ours, theirs[:2], human)


def test_crossed_ratings_know_their_drop() -> None:
    random = np.random.default_rng(0)
    separate = 9 + random.normal(0, 0.3, (6, 12))
    joint = 3.7 + random.normal(0, 0.3, (4, 12))
    joint[0, 3] = np.nan
    absolute, relative = crossed_difference(joint, separate)
    assert absolute.value == pytest.approx(np.nanmean(joint) - separate.mean())
    assert relative.value == pytest.approx(np.nanmean(joint) / separate.mean() - 1)
    assert relative.low < relative.value < relative.high < 0
    nothing, _ = crossed_difference(np.full((2, 12), np.nan), separate)
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.low)
