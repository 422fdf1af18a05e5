"""Krippendorff's alpha against its definition spelled out."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.metrics.levels import Levels
from polyjudge.metrics.reliability import krippendorff_alpha, mean_reliability, noise_free_limit

NAN = math.nan
cells = st.one_of(st.just(NAN), st.integers(1, 4).map(float))
tables = st.integers(2, 4).flatmap(
    lambda r: st.lists(st.lists(cells, min_size=r, max_size=r), min_size=3, max_size=12)
)
SCALES = {"ordinal": Levels(1, 4), "interval": None, "nominal": Levels.categorical(5)}


def distance(kind, counts, c, k):
    if kind == "nominal":
        return float(c != k)
    if kind == "interval":
        return (c - k) ** 2
    low, high = min(c, k), max(c, k)
    between = sum(count for value, count in counts.items() if low <= value <= high)
    return (between - (counts[low] + counts[high]) / 2) ** 2


def by_definition(kind, rows):
    """1 - observed / expected disagreement over pairs of ratings, Krippendorff 2004, p. 222."""
    units = [[v for v in row if not math.isnan(v)] for row in rows]
    units = [unit for unit in units if len(unit) > 1]
    everything = [v for unit in units for v in unit]
    if len(set(everything)) < 2:
        return NAN
    counts = {value: everything.count(value) for value in everything}
    n = len(everything)
    observed = sum(distance(kind, counts, a, b) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2))
    expected = sum(distance(kind, counts, a, b) for a, b in permutations(everything, 2))
    return 1 - (n - 1) * observed / expected


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from(sorted(SCALES)))
def test_it_is_what_its_definition_says(rows, kind):
    found = krippendorff_alpha(np.array(rows), levels=SCALES[kind], n_resamples=5).value
    assert found == pytest.approx(by_definition(kind, rows), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("kind", SCALES)
def test_raters_who_always_agree_reach_one_and_strangers_nothing(kind):
    random = np.random.default_rng(0)
    same = random.integers(1, 5, 200).astype(float)
    assert krippendorff_alpha(np.column_stack([same, same]), levels=SCALES[kind], n_resamples=5).value == 1.0
    strangers = random.integers(1, 5, (200, 3)).astype(float)
    found = krippendorff_alpha(strangers, levels=SCALES[kind], n_resamples=300)
    assert found.low < 0 < found.high


def test_the_interval_resamples_documents():
    random = np.random.default_rng(1)
    document = np.repeat(np.arange(10), 12)
    truth = random.integers(1, 5, 10)[document]
    ratings = np.clip(truth[:, None] + random.integers(-1, 2, (120, 2)), 1, 4).astype(float)
    rows = krippendorff_alpha(ratings, levels=SCALES["ordinal"])
    clustered = krippendorff_alpha(ratings, levels=SCALES["ordinal"], documents=document.tolist())
    assert clustered.value == rows.value
    assert clustered.n_clusters == 10
    assert clustered.high - clustered.low > rows.high - rows.low


def test_without_two_ratings_a_row_nothing_is_known():
    assert math.isnan(krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2.0]]), n_resamples=5).value)


def test_the_reliability_of_a_complete_mean_is_cronbachs_alpha():
    generator = np.random.default_rng(1)
    ratings = generator.normal(size=(80, 1)) + generator.normal(size=(80, 4)) + np.arange(4)
    covariance = np.cov(ratings.T)
    expected = 4 / 3 * (1 - np.trace(covariance) / covariance.sum())
    assert mean_reliability(ratings).value == pytest.approx(expected)


def test_a_noise_free_judge_reaches_the_limit_also_where_ratings_are_missing():
    generator = np.random.default_rng(2)
    truth = generator.normal(size=3000)
    ratings = truth[:, None] + 1.5 * generator.normal(size=(3000, 4))
    ratings[generator.random(ratings.shape) < 0.3] = np.nan
    ratings[np.isnan(ratings).all(axis=1), 0] = 0
    limit = noise_free_limit(mean_reliability(ratings, n_resamples=200))
    counted = (~np.isnan(ratings)).sum(axis=1) >= 2
    reached = np.corrcoef(truth[counted], np.nanmean(ratings[counted], axis=1))[0, 1]
    assert limit.value == pytest.approx(reached, abs=0.03)
    assert limit.low < limit.value < limit.high


def test_raters_who_share_nothing_have_an_interval_around_zero():
    noise = np.random.default_rng(3).normal(size=(100, 3))
    found = mean_reliability(noise)
    assert found.low < 0 < found.high


@pytest.mark.parametrize("ratings", [np.zeros((0, 2)), np.full((9, 3), 4.0), np.array([[1, np.nan], [2, np.nan]])])
def test_what_cannot_be_relied_on_is_unknown(ratings):
    assert math.isnan(mean_reliability(ratings).value)
    assert math.isnan(noise_free_limit(mean_reliability(ratings)).value)
