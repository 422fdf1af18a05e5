"""Tests of two judges whose p-values and intervals agree, and Holm's correction of both."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.metrics import Levels, RatedRows, difference_test, holm, kappa, mae, spearman
from polyjudge.metrics.ppi import t_quantile, t_test
from polyjudge.metrics.significance import MOST_LEFT_OUT, corrected

NAN = float("nan")
FIVE = Levels(1, 5)


def two_judges(generator, advantage=0.0, documents=30, rows=3):
    """Two judges with noises of their own, the second `advantage` noisier, and the rated rows."""
    names = np.repeat(np.arange(documents), rows)
    human = generator.normal(size=(documents * rows, 2))
    difficulty = generator.normal(size=(documents, 2))[names]
    first = human + difficulty + generator.normal(size=human.shape)
    second = human + difficulty + (1 + advantage) * generator.normal(size=human.shape)
    return first, second, RatedRows.of(human, documents=names.tolist())


def test_students_t_is_that_of_scipy_also_far_out():
    from scipy import stats

    for freedom in (1.0, 4.5, 30.0, 200.0):
        for t in (0.0, 0.5, 2.0, 6.0, 12.0):
            assert t_test(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    advantage=st.floats(0, 3),
    documents=st.integers(2, 25),
    level=st.sampled_from([0.8, 0.95, 0.999]),
    seed=st.integers(0, 999),
)
def test_the_p_value_is_below_the_level_exactly_where_the_interval_excludes_zero(advantage, documents, level, seed):
    first, second, rows = two_judges(np.random.default_rng(seed), advantage, documents)
    tests = difference_test(spearman, first, second, rows, level=level)
    for test in (*tests.per_criterion, tests.mean):
        assert test.interval.excludes_zero == (test.p_value < 1 - level)
        assert math.isnan(test.p_value) == (not test.interval.known)


def test_the_standard_error_of_a_mean_error_is_that_of_theory():
    generator = np.random.default_rng(0)
    human = np.zeros(300)
    first, second = generator.gamma(4, size=(2, 300))
    test = difference_test(mae, first, second, human).mean
    assert test.value == pytest.approx(first.mean() - second.mean())
    assert test.standard_error == pytest.approx((first - second).std(ddof=1) / math.sqrt(300))


def test_documents_beyond_the_most_are_left_out_in_groups():
    generator = np.random.default_rng(1)
    first, second = generator.gamma(4, size=(2, 5 * MOST_LEFT_OUT))
    test = difference_test(mae, first, second, np.zeros(5 * MOST_LEFT_OUT)).mean
    assert test.n_resamples == MOST_LEFT_OUT
    error = (first - second).std(ddof=1) / math.sqrt(5 * MOST_LEFT_OUT)
    assert test.standard_error == pytest.approx(error, rel=0.12)


def test_level_and_spread_of_the_scores_move_nothing_that_a_rank_correlation_ignores():
    first, second, rows = two_judges(np.random.default_rng(2), advantage=0.5)
    plain = difference_test(spearman, first, second, rows).mean
    moved = difference_test(spearman, 3 * first + 5, second, rows).mean
    assert (plain.value, plain.p_value) == (moved.value, moved.p_value)


def test_a_judge_does_not_differ_from_itself():
    first, _, rows = two_judges(np.random.default_rng(1))
    test = difference_test(spearman, first, first, rows).mean
    assert (test.value, test.low, test.high, test.p_value) == (0, 0, 0, 1)


def test_the_order_of_the_judges_turns_the_sign_only():
    first, second, rows = two_judges(np.random.default_rng(2), advantage=0.5)
    one, other = (
        difference_test(spearman, first, second, rows).mean,
        difference_test(spearman, second, first, rows).mean,
    )
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.p_value == pytest.approx(other.p_value)


def test_a_difference_that_is_the_same_everywhere_is_believed_of_enough_documents():
    human = [1, 2, 3, 4, 5] * 6
    for documents, known in ((5, False), (6, True)):
        rows = RatedRows.of(human[: 5 * documents], documents=[row // 5 for row in range(5 * documents)])
        test = difference_test(mae, human[: 5 * documents], np.array(human[: 5 * documents]) + 1, rows).mean
        assert (test.value, test.p_value) == (-1, 0.5 ** (documents - 1))
        assert test.interval.excludes_zero == known


def test_one_shared_row_decides_nothing():
    """Ratings that differ in one row alone: whatever the judges do there, they are not told apart."""
    generator = np.random.default_rng(7)
    told = 0
    for _ in range(60):
        rare = np.zeros(60)
        rare[generator.integers(60)] = 3
        first, second = np.round(rare + generator.normal(size=(2, 60)))
        told += difference_test(spearman, first, second, rare).mean.interval.excludes_zero
    assert told == 0


def test_an_undefined_difference_has_no_p_value():
    constant, human = [3, 3, 3, 3, 3, 3], [1, 2, 3, 4, 5, 6]
    test = difference_test(spearman, constant, human, human).mean
    assert math.isnan(test.value)
    assert math.isnan(test.p_value)
    few = difference_test(spearman, [1, 2, 4, 3], [1, 2, 3, 4], [1, 2, 3, 4]).mean
    assert few.value == pytest.approx(-0.2)
    assert math.isnan(few.p_value)
    assert not few.interval.known


def test_no_rows_have_no_test():
    assert math.isnan(difference_test(spearman, [], [], []).mean.p_value)


@pytest.mark.parametrize("level", [0, 1, 1.5])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        difference_test(spearman, [1, 2], [2, 1], [1, 2], level=level)


def test_labels_are_tested_by_kappa():
    generator = np.random.default_rng(3)
    human = generator.integers(0, 3, 200).astype(float)
    good, poor = (
        np.where(generator.random(200) < share, human, generator.integers(0, 3, 200)) for share in (0.8, 0.2)
    )
    test = difference_test(kappa, good, poor, RatedRows.of(human, levels=Levels.categorical(3))).mean
    assert test.interval.above_zero


def test_corrected_intervals_decide_where_corrected_p_values_do_however_many_they_are():
    generator = np.random.default_rng(5)
    tests = [
        difference_test(spearman, *two_judges(generator, advantage, documents=100)).per_criterion[0]
        for advantage in np.repeat([0.0, 0.6, 8.0], 40)
    ]
    family = corrected(tests * 11)
    assert len(family.p_values) == 1320
    decided = [each.interval.excludes_zero for each in family.estimates]
    assert decided == [p_value < 0.05 for p_value in family.p_values]
    # The strongest third is decided, though there are 1,320 comparisons.
    assert sum(decided[80:120]) >= 30
    assert sum(decided[:40]) == 0


def test_a_single_test_needs_no_correction_and_an_unknown_one_is_none():
    first, second, rows = two_judges(np.random.default_rng(6), advantage=1)
    test = difference_test(spearman, first, second, rows).mean
    unknown = difference_test(spearman, [1, 2], [2, 1], [1, 2]).mean
    family = corrected([unknown, test])
    assert (family.estimates[1].low, family.estimates[1].high) == pytest.approx((test.low, test.high))
    assert math.isnan(family.p_values[0])
    assert not family.estimates[0].interval.known
    assert corrected([]).estimates == ()


def test_equal_judges_are_called_different_about_as_often_as_stated():
    generator = np.random.default_rng(4)
    p_values = [difference_test(spearman, *two_judges(generator)).mean.p_value for trial in range(400)]
    assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.07
    assert 0.4 <= np.mean(p_values) <= 0.6


def test_the_quantile_is_the_other_side_of_the_test():
    assert t_test(t_quantile(1 - 0.00002, 12.5), 12.5) == pytest.approx(0.00004, rel=1e-4)


def test_holm_of_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, NAN, 0.6, 0.9]) == pytest.approx([0.03, NAN, 1, 1], nan_ok=True)
    assert holm([]).size == 0


@settings(deadline=None)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8), data=st.data())
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p_values, data):
    adjusted = holm(p_values)
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.array(p_values))).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    shuffle = data.draw(st.permutations(range(len(p_values))))
    assert holm([p_values[index] for index in shuffle]) == pytest.approx(adjusted[list(shuffle)])


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [[0.1]]])
def test_what_is_no_p_value_is_refused(p_values):
    with pytest.raises(ValueError, match="p_values"):
        holm(p_values)
