"""One annotator's agreement with the others, and the best constant answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.metrics import Levels, constant_baseline, metric_of, names, one_annotator

NAN = float("nan")
FIVE = Levels(1, 5)
SPEARMAN = metric_of("spearman")
each_metric = pytest.mark.parametrize("one", [*map(metric_of, names())], ids=lambda one: one.name)
rating = st.integers(1, 5).map(float)
rating_or_none = st.one_of(rating, st.just(NAN))


@each_metric
@settings(deadline=None, max_examples=30)
@given(pairs=st.lists(st.tuples(rating_or_none, rating_or_none), min_size=2, max_size=20))
def test_two_raters_are_each_others_reference(one, pairs):
    first, second = np.array(pairs).T
    found = one_annotator(one, pairs, levels=FIVE)
    common = int((~np.isnan(first + second)).sum())
    expected = one(first, second, FIVE) if common >= 2 else NAN
    assert found.value == pytest.approx(expected, nan_ok=True)
    assert found.n_rows == common
    assert len(found.per_rater) == 2


def test_each_of_three_raters_meets_the_mean_of_the_others():
    ratings = np.random.default_rng(0).integers(1, 6, (30, 3)).astype(float)
    ratings[4, 1] = ratings[7] = NAN
    found = one_annotator(SPEARMAN, ratings)
    expected, rows = [], []
    for rater in range(3):
        kept = ~np.isnan(ratings[:, rater]) & (np.arange(30) != 7)
        others = np.nanmean(np.delete(ratings[kept], rater, axis=1), axis=1)
        expected.append(SPEARMAN(ratings[kept, rater], others))
        rows.append(kept.sum())
    assert found.per_rater == pytest.approx(expected)
    assert found.value == pytest.approx(np.average(expected, weights=rows))
    assert found.n_rows == 29


def test_raters_of_two_rows_hardly_move_one_annotators_agreement():
    generator = np.random.default_rng(1)
    quality = generator.normal(size=200)
    ratings = np.full((200, 11), NAN)
    ratings[:, :3] = np.clip(np.round(3 + quality[:, None] + 0.4 * generator.normal(size=(200, 3))), 1, 5)
    alone = one_annotator(SPEARMAN, ratings[:, :3]).value
    for visitor in range(3, 11):
        ratings[generator.choice(200, 2, replace=False), visitor] = generator.permutation([2, 4])
    found = one_annotator(SPEARMAN, ratings)
    assert found.value == pytest.approx(alone, abs=0.05)
    assert np.nanmean(found.per_rater) < alone - 0.5


def test_raters_of_one_mind_reach_the_best():
    ratings = np.repeat([[1], [2], [4], [5]], 3, axis=1)
    for one in [*map(metric_of, names())]:
        if one.applies_to(FIVE):
            assert one_annotator(one, ratings, levels=FIVE).value == one.range.best


@pytest.mark.parametrize(
    "ratings",
    [[[1], [2], [3]], [[1, NAN], [NAN, 2], [3, 3]], np.zeros((0, 2)), [[NAN, NAN], [NAN, NAN]]],
)
def test_without_two_raters_of_two_rows_the_ceiling_is_unknown(ratings):
    assert math.isnan(one_annotator(SPEARMAN, ratings).value)
    assert math.isnan(one_annotator(metric_of("mae"), ratings).value)


def test_a_constant_rater_is_undefined_and_the_others_still_count():
    ratings = [[1, 1, 3], [2, 3, 3], [4, 4, 3], [5, 4, 3]]
    found = one_annotator(SPEARMAN, ratings)
    assert math.isnan(found.per_rater[2])
    assert found.value == pytest.approx(np.mean(found.per_rater[:2]))


def test_labels_are_compared_with_the_majority_and_ties_have_none():
    ratings = [[0, 0, 0, 2], [1, 1, 1, 2], [2, 2, 2, 2], [0, 1, 2, NAN], [1, 1, NAN, 1]]
    found = one_annotator(metric_of("accuracy"), ratings, levels=Levels.categorical(3))
    # The fourth row ties and counts for nobody; the last rater misses the majority in two of four rows.
    assert found.per_rater == (1, 1, 1, 0.5)
    assert (found.n_rows, found.n_ties) == (4, 1)
    assert found.rows.tolist() == [True, True, True, False, True]


def test_the_ceiling_names_its_grouping():
    ratings = [[1, 1], [2, 2], [3, 3], [5, 1], [5, 2], [5, 3]]
    documents = ["a"] * 3 + ["b"] * 3
    skip = one_annotator(SPEARMAN, ratings, documents=documents, grouping="document-skip")
    zero = one_annotator(SPEARMAN, ratings, documents=documents, grouping="document-zero")
    assert (skip.value, zero.value) == (1, 0.5)


@each_metric
@settings(deadline=None, max_examples=30)
@given(human=st.lists(rating, min_size=2, max_size=20), constant=rating)
def test_no_constant_answer_beats_the_baseline(one, human, constant):
    floor = constant_baseline(one, human, levels=FIVE)
    assert not one.is_better(one([constant] * len(human), human, FIVE), floor.value)
    if not math.isnan(floor.value):
        assert floor.value == one([floor.constant] * len(human), human, FIVE)


@pytest.mark.parametrize("name", ["spearman", "kendall", "pearson"])
def test_a_constant_has_no_correlation(name):
    floor = constant_baseline(metric_of(name), [1, 2, 3, 4, 5], levels=FIVE)
    assert math.isnan(floor.value)
    assert math.isnan(floor.constant)


def test_the_best_constant_is_named():
    human = [4, 5, 5, 5, 3, 5, NAN]
    assert constant_baseline(metric_of("off_by_one"), human, levels=FIVE) == type(constant_baseline(SPEARMAN, []))(
        1, 4
    )
    assert constant_baseline(metric_of("accuracy"), human, levels=FIVE).constant == 5
    assert constant_baseline(metric_of("mae"), human, levels=FIVE).constant == 5
    assert constant_baseline(metric_of("kappa"), [1, 2, 2], levels=FIVE).value == 0


def test_on_a_continuous_scale_the_median_is_best_for_mae_and_the_mean_for_rmse():
    human = np.random.default_rng(1).gamma(1.0, size=101)
    scale = Levels(0, 100, None)
    assert constant_baseline(metric_of("mae"), human, levels=scale).constant == np.median(human)
    assert constant_baseline(metric_of("rmse"), human, levels=scale).constant == pytest.approx(human.mean())
    assert constant_baseline(metric_of("rmse"), human, levels=scale).value == pytest.approx(human.std())


def test_a_long_scale_is_searched_by_its_percentiles():
    human = np.arange(2001.0)
    assert constant_baseline(metric_of("mae"), human, levels=Levels(0, 5000)).constant == 1000


def test_no_ratings_have_no_floor():
    assert math.isnan(constant_baseline(metric_of("mae"), [NAN, NAN], levels=FIVE).value)
    assert math.isnan(constant_baseline(metric_of("mae"), [], levels=Levels(0, 1, None)).value)
