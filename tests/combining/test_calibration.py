"""Monotone calibration, against SciPy's isotonic regression, and cross-fitted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from polyjudge.combining import MonotoneMap, calibrate, folds, isotonic
from polyjudge.metrics import Levels, RatedRows, mae, spearman

NAN = float("nan")
pairs = st.lists(st.tuples(st.integers(-9, 9).map(lambda x: x / 2), st.integers(1, 5)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=200)
@given(pairs)
def test_its_knots_are_the_blocks_that_scipy_pools(observed):
    scores, ratings = np.array(observed, dtype=float).T
    x, position = np.unique(scores, return_inverse=True)
    counts = np.bincount(position)
    expected = isotonic_regression(np.bincount(position, weights=ratings) / counts, weights=counts)
    found = isotonic(scores, ratings)
    starts = expected.blocks[:-1]
    np.testing.assert_allclose(found.y, expected.x[starts], atol=1e-9)
    sums = np.add.reduceat(x * counts, starts), np.add.reduceat(counts, starts)
    np.testing.assert_allclose(found.x, sums[0] / sums[1], atol=1e-9)
    assert np.all(np.diff(found.y) > 0)


@settings(deadline=None, max_examples=100)
@given(pairs, st.lists(st.floats(-20, 20), min_size=2, max_size=20))
def test_it_never_turns_two_scores_around_and_stays_within_the_ratings(observed, others):
    scores, ratings = np.array(observed, dtype=float).T
    mapped = isotonic(scores, ratings)(np.sort(others))
    assert np.all(np.diff(mapped) >= 0)
    assert ratings.min() - 1e-9 <= mapped.min()
    assert mapped.max() <= ratings.max() + 1e-9


def test_unscored_stays_unscored():
    np.testing.assert_array_equal(np.isnan(isotonic([1.0, 2.0], [1.0, 2.0])([1.0, NAN])), [False, True])


def strict_judge(n=200, seed=0):
    generator = np.random.default_rng(seed)
    human = generator.integers(1, 6, (n, 1)).astype(float)
    judged = np.clip(np.round(human + generator.normal(0, 1, (n, 1)) - 2), 1, 5)
    return judged, RatedRows.of(human, levels=Levels(1, 5), documents=[row // 4 for row in range(n)])


def test_it_mends_the_values_of_a_strict_judge_and_leaves_its_ranks():
    judged, rows = strict_judge()
    calibration = calibrate(judged, rows)
    human = rows.human[:, 0]
    before, after = mae(judged[:, 0], human), mae(calibration.cross_fitted[:, 0], human)
    assert before > 1.3 > 1.0 > after
    assert spearman(calibration(judged)[:, 0], human) == pytest.approx(spearman(judged[:, 0], human), abs=0.03)


def test_no_document_is_mapped_by_its_own_ratings():
    judged, rows = strict_judge()
    calibration = calibrate(judged, rows, n_folds=5, seed=3)
    for held_out in range(5):
        left = folds(rows.clusters, 5, 3) == held_out
        changed = rows.human.copy()
        changed[left] = 6 - changed[left]
        again = calibrate(judged, RatedRows.of(changed, levels=Levels(1, 5), documents=rows.documents), seed=3)
        np.testing.assert_array_equal(again.cross_fitted[left], calibration.cross_fitted[left])


def test_labels_and_criteria_of_few_rows_stay_as_they_are():
    judged, rows = strict_judge(60)
    human = np.column_stack([rows.human[:, 0] - 1, np.where(np.arange(60) < 10, rows.human[:, 0], NAN)])
    both = np.column_stack([judged[:, 0] - 1, judged[:, 0]])
    rated = RatedRows.of(human, levels=[Levels.categorical(5), Levels(1, 5)])
    calibration = calibrate(both, rated)
    assert calibration.maps == (None, None)
    np.testing.assert_array_equal(calibration.cross_fitted, both)
    np.testing.assert_array_equal(calibration(both), both)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [((), (), "at least one"), ((1.0, 1.0), (1.0, 2.0), "must rise"), ((1.0, 2.0), (2.0, 1.0), "must not fall")],
)
def test_what_is_no_monotone_map(x, y, said):
    with pytest.raises(ValueError, match=said):
        MonotoneMap(x, y)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(2, 5), st.integers(0, 100))
def test_folds_keep_documents_together_and_leave_none_empty(documents, n_folds, seed):
    clusters = RatedRows.of(np.zeros(len(documents)), documents=documents).clusters
    if clusters.count < n_folds:
        with pytest.raises(ValueError, match="cannot be laid"):
            folds(clusters, n_folds, seed)
        return
    fold = folds(clusters, n_folds, seed)
    assert set(fold.tolist()) == set(range(n_folds))
    for document in set(documents):
        assert len({fold[row] for row, other in enumerate(documents) if other == document}) == 1


def test_few_rows_of_a_judge_on_the_scale_get_no_map():
    generator = np.random.default_rng(0)
    human = generator.normal(3, 1, (40, 1))
    fine = human + generator.normal(0, 0.3, (40, 1))
    calibration = calibrate(fine, RatedRows.of(human))
    assert calibration.maps == (None,)
    np.testing.assert_array_equal(calibration.cross_fitted, fine)
    assert calibrate(fine + 2, RatedRows.of(human)).maps != (None,)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(0, 2))
def test_by_cross_fitting_it_is_never_farther_from_the_ratings(seed, off):
    generator = np.random.default_rng(seed)
    human = generator.normal(3, 1, (60, 2))
    judged = human + off + generator.normal(0, 1, (60, 2))
    found = calibrate(judged, RatedRows.of(human, documents=[row // 3 for row in range(60)])).cross_fitted
    assert np.all(np.square(found - human).sum(axis=0) <= np.square(judged - human).sum(axis=0))
