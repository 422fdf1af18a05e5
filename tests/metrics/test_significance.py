"""Permutation tests of two judges, and Holm's correction."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.metrics import METRICS, Levels, holm, metric, permutation_test

NAN = float("nan")
FIVE = Levels(1, 5)
SPEARMAN = metric("spearman")


def two_judges(generator, advantage=0.0, documents=30, rows=3):
    """Ratings, two judges with noises of their own, the second `advantage` noisier, and documents."""
    names = np.repeat(np.arange(documents), rows)
    human = generator.normal(size=(documents * rows, 2))
    difficulty = generator.normal(size=(documents, 2))[names]
    first = human + difficulty + generator.normal(size=human.shape)
    second = human + difficulty + (1 + advantage) * generator.normal(size=human.shape)
    return first, second, human, names.tolist()


@pytest.mark.parametrize("one", METRICS.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("grouping", ["pooled", "document-skip"])
def test_the_fast_way_equals_the_slow_one(one, grouping):
    generator = np.random.default_rng(8)
    human = generator.integers(1, 6, (24, 2)).astype(float)
    first, second = (np.clip(human + generator.integers(-1, 2, human.shape), 1, 5) for _ in range(2))
    first[3, 0] = human[4, 1] = NAN
    documents = [f"d{row // 4}" for row in range(24)]
    options = {"levels": FIVE, "documents": documents, "grouping": grouping, "n_permutations": 40}
    slow = dataclasses.replace(one, weighted=None)
    found = permutation_test(one, first, second, human, **options)
    expected = permutation_test(slow, first, second, human, **options)
    for each, other in zip((*found.per_criterion, found.mean), (*expected.per_criterion, expected.mean), strict=True):
        assert dataclasses.astuple(each) == pytest.approx(dataclasses.astuple(other), abs=0, nan_ok=True)


def test_swapping_all_or_nothing_leaves_only_the_observed_difference():
    human = [1, 2, 3, 4, 5, 6]
    found = permutation_test(SPEARMAN, human, human[::-1], human, documents=["a"] * 6, n_permutations=50)
    assert found.mean.difference == 2
    assert found.mean.p_value == 1


def test_a_judge_does_not_differ_from_itself():
    first, _, human, documents = two_judges(np.random.default_rng(1))
    found = permutation_test(SPEARMAN, first, first, human, documents=documents, n_permutations=50)
    assert (found.mean.difference, found.mean.p_value) == (0, 1)


def test_the_order_of_the_judges_turns_the_sign_only():
    first, second, human, documents = two_judges(np.random.default_rng(2), advantage=0.5)
    one = permutation_test(SPEARMAN, first, second, human, documents=documents, n_permutations=200)
    other = permutation_test(SPEARMAN, second, first, human, documents=documents, n_permutations=200)
    assert one.mean.difference == -other.mean.difference
    assert one.mean.p_value == other.mean.p_value


def test_a_real_difference_is_found_and_p_is_never_zero():
    first, second, human, documents = two_judges(np.random.default_rng(3), advantage=4)
    found = permutation_test(SPEARMAN, first, second, human, documents=documents, n_permutations=199)
    assert found.mean.difference > 0
    assert found.mean.p_value <= 0.02
    opposite = permutation_test(SPEARMAN, range(30), range(30, 0, -1), range(30), n_permutations=199)
    assert opposite.mean.p_value == 1 / 200


def test_equal_judges_are_called_different_about_as_often_as_stated():
    generator = np.random.default_rng(4)
    p_values = [
        permutation_test(SPEARMAN, *two_judges(generator)[:3], n_permutations=99, seed=trial).mean.p_value
        for trial in range(200)
    ]
    assert 0.05 <= np.mean(np.array(p_values) <= 0.1) <= 0.16
    assert 0.4 <= np.mean(p_values) <= 0.6


def test_an_undefined_difference_has_no_p_value_and_undefined_permutations_count_against():
    constant, human = [3, 3, 3, 3], [1, 2, 3, 4]
    found = permutation_test(SPEARMAN, constant, human, human, n_permutations=20).mean
    assert math.isnan(found.difference)
    assert math.isnan(found.p_value)
    nearly = permutation_test(SPEARMAN, [3, 3, 3, 4], [4, 3, 3, 3], human, n_permutations=400).mean
    # Only swapping the first and not the last row, or the other way round, makes a judge constant.
    assert nearly.n_undefined / 400 == pytest.approx(0.5, abs=0.1)
    # The others leave the observed difference, or turn it: so nothing speaks for significance.
    assert nearly.p_value == 1


def test_no_permutation_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        permutation_test(SPEARMAN, [1, 2], [2, 1], [1, 2], n_permutations=0)


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
